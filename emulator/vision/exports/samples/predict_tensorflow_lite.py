"""Predict an image with model.tflite: python python/predict.py image.jpg"""

import sys

from ai_edge_litert.interpreter import Interpreter
from image import FOLDER, load_image
from outputs import show


def main() -> None:
    interpreter = Interpreter(model_path=str(FOLDER / "model.tflite"))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], load_image(sys.argv[1]))
    interpreter.invoke()
    show(
        {
            output["name"].split(":")[0]: interpreter.get_tensor(output["index"])
            for output in interpreter.get_output_details()
        }
    )


if __name__ == "__main__":
    main()
