"""The limits and page sizes that the service documents."""

from typing import NamedTuple

MEGABYTE = 1024 * 1024
# Later than any time that the emulator's clock can be set to: the year 9001, in microseconds since 1970.
MICROSECONDS_MAXIMUM = 221_876_928_000_000_000

TRAINING_IMAGE_BYTES = 6 * MEGABYTE
PREDICTION_IMAGE_BYTES = 4 * MEGABYTE
IMAGES_PER_BATCH = 64
TAGS_PER_BATCH = 20
TAGS_PER_IMAGE = 100
IMAGE_TAGS_PER_BATCH = 128
REGIONS_PER_IMAGE = 300
REGIONS_PER_BATCH = 64
IMAGE_IDS_PER_QUERY = 256
IMAGE_IDS_PER_UNTAGGING = 64
PAGE_SIZE = 50
PAGE_SIZE_MAXIMUM = 256
STORED_PREDICTION_DAYS = 30
PREDICTION_IDS_PER_REQUEST = 64
TAGS_PER_PREDICTION_QUERY = 2
SUGGESTED_IMAGES_PER_REQUEST = 64
TAGS_PER_SUGGESTION_QUERY = 500
IMAGE_IDS_PER_METADATA_UPDATE = 64
IMAGES_PER_TAG_MINIMUM = 5
TAGS_MINIMUM = 2
BOXED_IMAGES_PER_TAG_MINIMUM = 15
ADVANCED_HOURS_MINIMUM = 1
# Of the emulator's own domain for anomaly detection.
GOOD_IMAGES_MINIMUM = 10


class MetadataLimits(NamedTuple):
    """Limits of an image's metadata, which differ between versions."""

    pairs: int
    key_length: int
    value_length: int


# The largest of all versions: what the emulator stores.
METADATA_LIMITS = MetadataLimits(pairs=50, key_length=256, value_length=512)

# Not documented; what the web pages of the service accept, rounded up.
NAME_LENGTH = 256
DESCRIPTION_LENGTH = 2048

# Not documented: the largest bodies of requests. The largest batch of URLs, with 300 regions each, has 5 MB.
TEXT_BODY_BYTES = 16 * MEGABYTE
IMAGE_BODY_BYTES = 64 * MEGABYTE
