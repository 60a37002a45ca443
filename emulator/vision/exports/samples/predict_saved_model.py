"""Predict an image with saved_model.pb: python python/predict.py image.jpg"""

import sys

import tensorflow
from image import FOLDER, load_image
from outputs import show


def main() -> None:
    model = tensorflow.saved_model.load(str(FOLDER))
    outputs = model.signatures["serving_default"](tensorflow.constant(load_image(sys.argv[1])))
    show({name: value.numpy() for name, value in outputs.items()})


if __name__ == "__main__":
    main()
