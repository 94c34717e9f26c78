// --- sound ----------------------------------------------------------------------------------------

const SECONDS = 0.25; // of a step

// The keys of a piano as tones, step after step, ahead of time.
class Voices {
  constructor() {
    this.context = new AudioContext();
    this.start = this.next = this.context.currentTime + 0.1;
    this.sounding = new Map();
    this.notes = 0;
  }
  step(frame) {
    const now = this.next = Math.max(this.next, this.context.currentTime + 0.02);
    frame.forEach((state, key) => {
      if (this.sounding.has(key) && state !== 1) this.release(key, now);
      if (state && !this.sounding.has(key)) this.strike(key, now);
    });
    this.next += SECONDS;
  }
  strike(key, time) {
    const frequency = 440 * 2 ** ((key - 48) / 12); // key 48 is the A of the tuning fork
    const tone = new OscillatorNode(this.context, { type: "triangle", frequency });
    const loud = new GainNode(this.context, { gain: 0 });
    loud.gain.setTargetAtTime(0.12, time, 0.01);
    tone.connect(loud).connect(this.context.destination);
    tone.start(time);
    this.sounding.set(key, [tone, loud]);
    this.notes += 1;
  }
  release(key, time) {
    const [tone, loud] = this.sounding.get(key);
    loud.gain.setTargetAtTime(0, time - 0.03, 0.02);
    tone.stop(time + 0.2);
    this.sounding.delete(key);
  }
  end() { for (const key of [...this.sounding.keys()]) this.release(key, this.next); }
  close() { this.context.close(); }
}

let voices = null; // one thing is heard at a time
function newVoices() {
  if (voices) voices.close();
  return voices = new Voices();
}

function play(roll, draw) {
  const playing = newVoices();
  roll.forEach((frame) => playing.step(frame));
  playing.end();
  const follow = () => {
    const step = Math.ceil((playing.context.currentTime - playing.start) / SECONDS);
    draw(Math.max(0, step));
    if (playing === voices && step <= roll.length) requestAnimationFrame(follow);
  };
  follow();
}
