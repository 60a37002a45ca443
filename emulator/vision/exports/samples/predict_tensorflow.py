"""Predict an image with model.pb: python python/predict.py image.jpg"""

import sys

import tensorflow
from image import FOLDER, load_image
from outputs import show


def main() -> None:
    definition = tensorflow.compat.v1.GraphDef()
    definition.ParseFromString((FOLDER / "model.pb").read_bytes())
    read = {name.split(":")[0] for node in definition.node for name in node.input}
    outputs = [node.name for node in definition.node if node.name not in read]
    (source,) = (node.name for node in definition.node if node.op == "Placeholder")
    graph = tensorflow.Graph()
    with graph.as_default():
        tensorflow.import_graph_def(definition, name="")
    with tensorflow.compat.v1.Session(graph=graph) as session:
        values = session.run([f"{name}:0" for name in outputs], {f"{source}:0": load_image(sys.argv[1])})
    show(dict(zip(outputs, values, strict=True)))


if __name__ == "__main__":
    main()
