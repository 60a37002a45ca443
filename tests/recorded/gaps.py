"""Recorded answers that are known to differ: by their line in the recording, from 0, the start of each line
that the comparison yields, and why."""

MOST = 10

GAPS: dict[int, dict[str, str]] = {
    9: {
        "$[*].resizedImageUri: ": "the author of the recording made the URIs relative by hand",
        "$[*].thumbnailUri: ": "likewise",
        "$[*].originalImageUri: ": "likewise",
    },
    13: {"$.estimatedImportTimeInMS: ": "an import takes as long as it takes here"},
}
