/* Answers one question with an exported model, through TensorFlow's C API and without Python.

   answer MODEL_DIR QUESTION ANSWER

   QUESTION holds "INPUTS OUTPUTS\n", the inputs as tensors, and a line with the name of each output;
   ANSWER will hold the outputs as tensors. A tensor is a line, "NAME TYPE RANK SIZE... BYTES\n", and
   its bytes; of strings they are, one after the other, eight bytes of length and the content. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tensorflow/c/c_api.h>

enum { MOST = 64, RANK = 8, NAME = 512 };

static void fail(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static void check(TF_Status *status, const char *what) {
  if (TF_GetCode(status) != TF_OK) fail(what, TF_Message(status));
}

static int64_t elements(const int64_t *sizes, int rank) {
  int64_t product = 1;
  for (int axis = 0; axis < rank; axis++) product *= sizes[axis];
  return product;
}

static void take(void *place, size_t bytes, FILE *file) {
  if (fread(place, 1, bytes, file) != bytes) fail("question", "ends too early");
}

/* "scope/op:1" as the operation and the number of its output. */
static TF_Output find(TF_Graph *graph, char *name) {
  char *colon = strrchr(name, ':');
  if (colon) *colon = '\0';
  TF_Output found = {TF_GraphOperationByName(graph, name), colon ? atoi(colon + 1) : 0};
  if (!found.oper) fail(name, "no such operation");
  return found;
}

static TF_Tensor *read_tensor(FILE *file, char *name) {
  int type, rank;
  int64_t sizes[RANK];
  uint64_t bytes;
  if (fscanf(file, "%511s %d %d", name, &type, &rank) != 3 || rank > RANK) fail("question", "header");
  for (int axis = 0; axis < rank; axis++)
    if (fscanf(file, "%" SCNd64, &sizes[axis]) != 1) fail("question", "sizes");
  if (fscanf(file, "%" SCNu64, &bytes) != 1 || fgetc(file) != '\n') fail("question", "bytes");
  int64_t count = elements(sizes, rank);
  int strings = type == TF_STRING;
  size_t room = strings ? count * sizeof(TF_TString) : bytes;
  TF_Tensor *tensor = TF_AllocateTensor(type, sizes, rank, room);
  if (!strings) {
    take(TF_TensorData(tensor), bytes, file);
    return tensor;
  }
  TF_TString *texts = TF_TensorData(tensor);
  for (int64_t i = 0; i < count; i++) {
    uint64_t length;
    take(&length, sizeof length, file);
    char *content = malloc(length + 1);
    take(content, length, file);
    TF_StringInit(&texts[i]);
    TF_StringCopy(&texts[i], content, length);
    free(content);
  }
  return tensor;
}

static void write_tensor(FILE *file, const char *name, TF_Tensor *tensor) {
  int rank = TF_NumDims(tensor), strings = TF_TensorType(tensor) == TF_STRING;
  fprintf(file, "%s %d %d", name, TF_TensorType(tensor), rank);
  for (int axis = 0; axis < rank; axis++) fprintf(file, " %" PRId64, TF_Dim(tensor, axis));
  fprintf(file, " %zu\n", strings ? (size_t)0 : TF_TensorByteSize(tensor));
  if (!strings) {
    fwrite(TF_TensorData(tensor), 1, TF_TensorByteSize(tensor), file);
    return;
  }
  TF_TString *texts = TF_TensorData(tensor);
  for (int64_t i = 0; i < TF_TensorElementCount(tensor); i++) {
    uint64_t length = TF_StringGetSize(&texts[i]);
    fwrite(&length, sizeof length, 1, file);
    fwrite(TF_StringGetDataPointer(&texts[i]), 1, length, file);
  }
}

int main(int count, char **words) {
  if (count != 4) fail("usage", "answer MODEL_DIR QUESTION ANSWER");
  TF_Status *status = TF_NewStatus();
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session = TF_LoadSessionFromSavedModel(options, NULL, words[1], tags, 1, graph, NULL, status);
  check(status, words[1]);

  FILE *question = fopen(words[2], "rb");
  int inputs, outputs;
  if (!question || fscanf(question, "%d %d", &inputs, &outputs) != 2) fail(words[2], "no question");
  if (inputs > MOST || outputs > MOST) fail(words[2], "too many tensors");
  TF_Output feeds[MOST], fetches[MOST];
  TF_Tensor *given[MOST], *got[MOST] = {NULL};
  char names[MOST][NAME], name[NAME];
  for (int i = 0; i < inputs; i++) {
    given[i] = read_tensor(question, name);
    feeds[i] = find(graph, name);
  }
  for (int i = 0; i < outputs; i++) {
    if (fscanf(question, "%511s", names[i]) != 1) fail(words[2], "names of outputs");
    strcpy(name, names[i]);
    fetches[i] = find(graph, name);
  }
  fclose(question);

  TF_SessionRun(session, NULL, feeds, given, inputs, fetches, got, outputs, NULL, 0, NULL, status);
  check(status, "run");
  FILE *answer = fopen(words[3], "wb");
  if (!answer) fail(words[3], "cannot be written");
  for (int i = 0; i < outputs; i++) {
    write_tensor(answer, names[i], got[i]);
    TF_DeleteTensor(got[i]);
  }
  for (int i = 0; i < inputs; i++) TF_DeleteTensor(given[i]);
  if (fclose(answer)) fail(words[3], "cannot be written");
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  check(status, "close");
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
