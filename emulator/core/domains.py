"""The domains of the service, in the order in which it lists them.

Ids, names, sizes and descriptions are the service's (recorded for 3.4-preview; the [A1], [A2] and compact
[S1] classification domains and the [A1] detector are documented later additions).
"""

from dataclasses import dataclass

from emulator.core.errors import ServiceError

_COMPACT = ("VAIDK", "CoreML", "DockerFile", "ONNX", "OpenVino", "TensorFlow")
_YOLO = ("CoreML", "DockerFile", "ONNX", "TensorFlow")
_SSD = (*_COMPACT, "IVS")


@dataclass(frozen=True)
class Domain:
    """`platforms`: what iterations of it can be exported to; () for domains of the cloud alone. `retired`:
    the service documents it no more."""

    id: str
    name: str
    type: str
    platforms: tuple[str, ...] = ()
    megabytes: int | None = None
    description: str | None = None
    retired: bool = False

    @property
    def exportable(self) -> bool:
        return bool(self.platforms)


def _shufflenet(id: str, name: str, text: str) -> Domain:
    return Domain(id, name, "Classification", _COMPACT, 5, text)


DOMAINS: tuple[Domain, ...] = (
    Domain("ee85a74c-405e-4adc-bb47-ffa8ca0c9f31", "General", "Classification"),
    Domain("c151d5b5-dd07-472a-acc8-15d29dea8518", "Food", "Classification"),
    Domain("ca455789-012d-4b50-9fec-5bb63841c793", "Landmarks", "Classification"),
    Domain("b30a91ae-e3c1-4f73-a81e-c270bff27c39", "Retail", "Classification"),
    Domain("45badf75-3591-4f26-a705-45678d3e9f5f", "Adult", "Classification", retired=True),
    _shufflenet(
        "0732100f-1a38-4e49-a514-c9b44c697ab5",
        "General (compact)",
        "A ShuffleNet-like model for general classification problem.",
    ),
    _shufflenet(
        "8882951b-82cd-4c32-970b-d5f8cb8bf6d7",
        "Food (compact)",
        "A ShuffleNet-like model for food classification problem.",
    ),
    _shufflenet(
        "b5cfd229-2ac7-4b2b-8d0a-2b0661344894",
        "Landmarks (compact)",
        "A ShuffleNet-like model for landmarks classification problem.",
    ),
    _shufflenet(
        "6b4faeda-8396-481b-9f8b-177b9fa3097f",
        "Retail (compact)",
        "A ShuffleNet-like based model for food classification problem.",
    ),
    Domain("da2e3a8a-40a5-4171-82f4-58522f70fbc1", "General", "ObjectDetection"),
    Domain("1d8ffafe-ec40-4fb2-8f90-72b3b6cecea4", "Logo", "ObjectDetection"),
    Domain("3780a898-81c3-4516-81ae-3a139614e1f3", "Products on Shelves", "ObjectDetection"),
    Domain(
        "a27d5ca5-bb19-49d8-a70a-fec086c47f5b",
        "General (compact)",
        "ObjectDetection",
        _YOLO,
        42,
        "A YOLO-like model for general detection problem.",
    ),
    Domain(
        "7ec2ac80-887b-48a6-8df9-8b1357765430",
        "General (compact) [S1]",
        "ObjectDetection",
        _SSD,
        13,
        "A SSD-like model for general detection problem.",
    ),
)

# Documented after the recordings; not listed (the recorded list has exactly those above), but accepted.
LATER_DOMAINS: tuple[Domain, ...] = (
    Domain("a8e3c40f-fb4a-466f-832a-5e457ae4a344", "General [A1]", "Classification"),
    Domain("2e37d7fb-3a54-486a-b4d6-cfc369af0018", "General [A2]", "Classification"),
    Domain(
        "a1db07ca-a19a-4830-bae8-e004a42dc863",
        "General (compact) [S1]",
        "Classification",
        _COMPACT,
        43,
        "A compact model for general classification problem.",
    ),
    Domain("9c616dff-2e7d-ea11-af59-1866da359ce6", "General [A1]", "ObjectDetection"),
)

DEFAULT_DOMAIN = DOMAINS[0]
_BY_ID = {domain.id: domain for domain in DOMAINS + LATER_DOMAINS}


def find(domain_id: str) -> Domain | None:
    return _BY_ID.get(domain_id)


def get(domain_id: str) -> Domain:
    """The domain, or ServiceError NotFoundDomain."""
    domain = find(domain_id)
    if domain is None:
        raise ServiceError("NotFoundDomain", "Domain not found")
    return domain
