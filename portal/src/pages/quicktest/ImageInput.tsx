import { Button, FileButton, Group, Stack, TextInput } from "@mantine/core";
import { IconPhotoPlus } from "@tabler/icons-react";
import { useState } from "react";
import { announce } from "../../components/announce";
import { count } from "../../lib/format";
import { DropOverlay } from "../../uploads/DropOverlay";
import { useDrop } from "../../uploads/useDrop";
import type { TestedImage } from "./tests";

type Sources = readonly TestedImage["source"][];

/** Images by dialog, drop on the page, paste, or address. */
export function ImageInput({ onImages }: { onImages: (sources: Sources) => void }) {
  const [url, setUrl] = useState("");
  const isUrl = /^https?:\/\/[^\s/]+/i.test(url.trim());

  function take(files: readonly File[]) {
    if (files.length === 0) return;
    announce(`Testing ${count(files.length, "image")}`);
    onImages(files.map((file) => ({ file })));
  }
  const over = useDrop((dropped) => take(dropped.map(({ file }) => file)), true);

  return (
    <Stack gap="xs">
      {over && <DropOverlay text="Drop images to test" />}
      <FileButton multiple accept="image/*" onChange={take}>
        {(props) => (
          <Button {...props} leftSection={<IconPhotoPlus size={18} />}>
            Choose images
          </Button>
        )}
      </FileButton>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!isUrl) return;
          onImages([{ url: url.trim() }]);
          setUrl("");
        }}
      >
        <Group gap={4} align="flex-end" wrap="nowrap">
          <TextInput
            label="Image URL"
            placeholder="https://"
            value={url}
            onChange={(event) => setUrl(event.currentTarget.value)}
            error={url.trim() && !isUrl ? "It begins with http:// or https://" : undefined}
            flex={1}
          />
          <Button type="submit" variant="default" disabled={!isUrl}>
            Test
          </Button>
        </Group>
      </form>
    </Stack>
  );
}
