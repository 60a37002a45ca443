"""Known differences from recorded responses: by line of the recording, from 0, the start of each line
of the comparison, and the reason."""

MOST = 10

GAPS: dict[int, dict[str, str]] = {
    9: {
        "$[*].resizedImageUri: ": "the author of the recording made the URIs relative by hand",
        "$[*].thumbnailUri: ": "likewise",
        "$[*].originalImageUri: ": "likewise",
    },
    13: {"$.estimatedImportTimeInMS: ": "an import takes as long as it takes here"},
}
