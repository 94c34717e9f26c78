"""A preview server for exported models, with TensorFlow Serving's REST interface.

It is for one machine and a few clients: to try a model, and to write a client that later runs
unchanged against TensorFlow Serving. Files:

    limits         how much one request may ask for
    errors         a request that is not answered: the status and the words
    json_tensors   from JSON to tensors and back
    version        one loaded SavedModel
    models         the folder of models, watched
    rest           paths, bodies, deadlines: the ASGI application
    patience       connections: how many, and how long they may take over their headers
    commands       the same folder under TensorFlow Serving
    running        a socket, the watcher and uvicorn, until Ctrl-C

The web page of `--demo` is in `pipelines/demo`.
"""
