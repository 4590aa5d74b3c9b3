"""The exact search of faiss: prints how long one query takes, and how long several
together, over the first COUNT vectors of a file of raw float32."""
import json
import sys
import time

import faiss
import numpy

path, count, dimension, together = sys.argv[1], *map(int, sys.argv[2:])
vectors = numpy.fromfile(path, dtype="f4", count=count * dimension).reshape(count, dimension)
index = faiss.IndexFlatL2(dimension)
index.add(vectors)
del vectors


def seconds(queries):
    asked = numpy.random.default_rng().uniform(-1, 1, (queries, dimension)).astype("f4")
    begun = time.perf_counter()
    _, found = index.search(asked, 10)
    took = time.perf_counter() - begun
    if (found < 0).any():
        sys.exit("faiss found too few neighbors")
    return took


seconds(1), seconds(together)  # starts its threads
print(json.dumps({"search": seconds(1), "together": seconds(together)}))
