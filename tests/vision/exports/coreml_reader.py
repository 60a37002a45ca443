"""Core ML's neural networks run without Core ML, which there is for Apple's systems alone: a reading of the
format's published definition (the comments of `NeuralNetwork.proto`), layer by layer, in PyTorch.

It knows nothing of how our files are written; what it cannot tell is whether Apple's runtime reads its own
definition in the same way.
"""

from __future__ import annotations

from typing import Any

import numpy
import torch
from torch.nn import functional

Tensor = torch.Tensor
# Of the enumerations NeuralNetworkMultiArrayShapeMapping and NeuralNetworkImageShapeMapping.
_EXACT_ARRAY_MAPPING = 1
_RANK4_IMAGE_MAPPING = 1


@torch.inference_mode()
def run(model: Any, images: numpy.ndarray, *, half: bool = False) -> dict[str, numpy.ndarray]:
    """The outputs of a model for images (1, height, width, 3), RGB.

    Args:
        model: a message `Model` of the kinds neural network or classifier.
        half: round what every layer gives to half precision, as graphics processors and neural engines do;
            but not where the greatest numbers are, for which only the processor has a layer.
    """
    network = getattr(model, model.WhichOneof("Type"))
    (feature,) = model.description.input
    assert feature.type.WhichOneof("Type") == "imageType"
    assert (feature.type.imageType.height, feature.type.imageType.width) == images.shape[1:3]
    planes = torch.tensor(images.copy()).permute(0, 3, 1, 2).float()
    if feature.type.imageType.colorSpace == feature.type.imageType.BGR:
        planes = planes.flip(1)
    for step in network.preprocessing:
        biases = [step.scaler.redBias, step.scaler.greenBias, step.scaler.blueBias]
        planes = planes * step.scaler.channelScale + torch.tensor(biases)[:, None, None]
    tensors = {feature.name: planes}
    # Arrays have the axes that their shapes say, and images an axis more in front.
    assert network.arrayInputShapeMapping == _EXACT_ARRAY_MAPPING
    assert network.imageInputShapeMapping == _RANK4_IMAGE_MAPPING
    for layer in network.layers:
        outputs = _run(layer, [tensors[name] for name in layer.input])
        assert len(outputs) == len(set(layer.output)) == len(layer.output), layer.name
        if half and layer.WhichOneof("layer") != "topK":
            outputs = [output.half().float() for output in outputs]
        tensors.update(zip(layer.output, outputs, strict=True))
    wanted = [output.name for output in model.description.output if output.name in tensors]
    return {name: tensors[name].numpy() for name in wanted}


def weights(parameters: Any) -> Tensor:
    if parameters.float16Value:
        assert not parameters.floatValue
        return torch.tensor(numpy.frombuffer(parameters.float16Value, "<f2").astype(numpy.float32))
    return torch.tensor(numpy.array(parameters.floatValue, numpy.float32))


def _run(layer: Any, inputs: list[Tensor]) -> list[Tensor]:
    kind = layer.WhichOneof("layer")
    parameters = getattr(layer, kind)
    first = inputs[0] if inputs else None
    if kind in _SIMPLE and len(inputs) > kind.endswith("Than"):
        return [_SIMPLE[kind](*inputs)]
    match kind:
        case "convolution":
            return [_convolution(parameters, first)]
        case "pooling":
            return [_pooling(parameters, first)]
        case "upsample":
            assert parameters.mode == parameters.BILINEAR
            assert parameters.linearUpsampleMode == parameters.ALIGN_CORNERS_FALSE
            factors = list(parameters.scalingFactor) or list(parameters.fractionalScalingFactor)
            return [functional.interpolate(first, scale_factor=factors, mode="bilinear", align_corners=False)]
        case "activation":
            return [_activation(parameters, first)]
        case "unary":
            return [_unary(parameters, first)]
        case "clip":
            return [first.clamp(parameters.minVal, parameters.maxVal)]
        case "greaterThan" if len(inputs) == 1:
            return [(first > parameters.alpha).float()]
        case "lessThan" if len(inputs) == 1:
            return [(first < parameters.alpha).float()]
        case "add" | "multiply":
            if len(inputs) == 1:
                constant = parameters.alpha
                return [first + constant if kind == "add" else first * constant]
            return [first + inputs[1] if kind == "add" else first * inputs[1]]
        case "concat":
            assert not parameters.sequenceConcat
            return [torch.cat(inputs, -3)]
        case "concatND":
            assert not parameters.interleave
            return [torch.cat(inputs, parameters.axis)]
        case "loadConstantND":
            return [weights(parameters.data).reshape(tuple(parameters.shape))]
        case "reshapeStatic":
            return [first.reshape(tuple(parameters.targetShape))]
        case "transpose":
            return [first.permute(*parameters.axes)]
        case "reduceMean":
            return [first.mean(tuple(parameters.axes), keepdim=parameters.keepDims)]
        case "reduceL2":
            return [first.square().sum(tuple(parameters.axes), keepdim=parameters.keepDims).sqrt()]
        case "squeeze":
            return [
                first.reshape(
                    [side for place, side in enumerate(first.shape) if place not in parameters.axes]
                )
            ]
        case "expandDims":
            for axis in sorted(parameters.axes):  # by the axes of the result
                first = first.unsqueeze(axis)
            return [first]
        case "innerProduct":
            weight = weights(parameters.weights).reshape(parameters.outputChannels, parameters.inputChannels)
            bias = weights(parameters.bias) if parameters.hasBias else None
            return [functional.linear(first, weight, bias)]
        case "softmaxND":
            return [first.softmax(parameters.axis)]
        case "batchedMatmul":
            return [_matmul(parameters, inputs)]
        case "slice":
            axis = {parameters.WIDTH_AXIS: -1, parameters.HEIGHT_AXIS: -2, parameters.CHANNEL_AXIS: -3}
            length = parameters.endIndex - parameters.startIndex
            assert parameters.stride == 1 and parameters.endIndex > 0
            return [first.narrow(axis[parameters.axis], parameters.startIndex, length)]
        case "embeddingND":
            assert not parameters.hasBias
            table = weights(parameters.weights).reshape(parameters.embeddingSize, parameters.vocabSize)
            return [table.T[first.squeeze(-1).long()]]
        case "topK":
            assert not parameters.useBottomK
            # The order of equal elements is not defined; here the first comes first.
            order = first.argsort(dim=parameters.axis, descending=True, stable=True).narrow(
                parameters.axis, 0, parameters.K
            )
            return [first.gather(parameters.axis, order), order.float()]
        case "gather":
            assert parameters.axis == 0
            return [first[inputs[1].long()]]
    raise NotImplementedError(kind)


_SIMPLE = {
    "copy": lambda first: first,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "greaterThan": lambda some, others: (some > others).float(),
    "whereBroadcastable": lambda condition, some, others: torch.where(condition != 0, some, others),
    "max": torch.maximum,
    "min": torch.minimum,
    "maxBroadcastable": torch.maximum,
    "minBroadcastable": torch.minimum,
    "addBroadcastable": torch.add,
    "subtractBroadcastable": torch.subtract,
    "multiplyBroadcastable": torch.multiply,
    "divideBroadcastable": torch.divide,
}


def _edges(parameters: Any) -> list[tuple[int, int]]:
    """Pixels above and below, left and right."""
    assert parameters.WhichOneof(
        "ConvolutionPaddingType" if hasattr(parameters, "nGroups") else "PoolingPaddingType"
    )
    amounts = parameters.valid.paddingAmounts.borderAmounts
    return [(amount.startEdgeSize, amount.endEdgeSize) for amount in amounts] or [(0, 0), (0, 0)]


def _padded(parameters: Any, images: Tensor, value: float) -> Tensor:
    (above, below), (left, right) = _edges(parameters)
    return functional.pad(images, [left, right, above, below], value=value)


def _convolution(parameters: Any, images: Tensor) -> Tensor:
    assert not parameters.isDeconvolution and set(parameters.dilationFactor) <= {1}
    weight = weights(parameters.weights).reshape(
        parameters.outputChannels, parameters.kernelChannels, *parameters.kernelSize
    )
    return functional.conv2d(
        _padded(parameters, images, 0.0),
        weight,
        weights(parameters.bias) if parameters.hasBias else None,
        tuple(parameters.stride),
        groups=parameters.nGroups,
    )


def _pooling(parameters: Any, images: Tensor) -> Tensor:
    assert not parameters.globalPooling
    size, stride = tuple(parameters.kernelSize), tuple(parameters.stride)
    if parameters.type == parameters.MAX:
        return functional.max_pool2d(_padded(parameters, images, -torch.inf), size, stride)
    assert parameters.type == parameters.AVERAGE and _edges(parameters) == [(0, 0), (0, 0)]
    return functional.avg_pool2d(images, size, stride)


def _activation(parameters: Any, tensor: Tensor) -> Tensor:
    kind = parameters.WhichOneof("NonlinearityType")
    match kind:
        case "leakyReLU":
            return functional.leaky_relu(tensor, parameters.leakyReLU.alpha)
        case "ReLU":
            return tensor.relu()
        case "sigmoid":
            return tensor.sigmoid()
        case "linear":
            return tensor * parameters.linear.alpha + parameters.linear.beta
    raise NotImplementedError(kind)


def _unary(parameters: Any, tensor: Tensor) -> Tensor:
    tensor = tensor * parameters.scale + parameters.shift
    match parameters.type:
        case parameters.LOG:
            return (tensor + parameters.epsilon).log()
        case parameters.ABS:
            return tensor.abs()
        case parameters.SQRT:
            return tensor.sqrt()
        case parameters.EXP:
            return tensor.exp()
        case parameters.THRESHOLD:
            return tensor.clamp(min=parameters.alpha)
        case parameters.INVERSE:
            return 1 / (tensor + parameters.epsilon)
    raise NotImplementedError(parameters.type)


def _matmul(parameters: Any, inputs: list[Tensor]) -> Tensor:
    first = inputs[0].mT if parameters.transposeA else inputs[0]
    if len(inputs) == 2:
        return first @ (inputs[1].mT if parameters.transposeB else inputs[1])
    shape = (parameters.weightMatrixFirstDimension, parameters.weightMatrixSecondDimension)
    # Stored with the second dimension first, as those of dense layers.
    product = first @ weights(parameters.weights).reshape(shape[::-1]).T
    return product + weights(parameters.bias) if parameters.hasBias else product
