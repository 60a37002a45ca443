import { ActionIcon, Button, Group, Modal, Text, Tooltip } from "@mantine/core";
import { IconChevronLeft, IconChevronRight, IconTrash, IconX } from "@tabler/icons-react";
import { useEffect, useRef, useState } from "react";
import { localUri } from "../../../api/client";
import { useImage } from "../../../api/queries/images";
import type { Tag } from "../../../api/queries/tags";
import { EmptyState, Loaded } from "../../../components/states";
import { forTagKeys } from "../../../keyboard/actions";
import { useKeys } from "../../../keyboard/useKeys";
import type { ImageFilter } from "../../../lib/imageFilter";
import type { useImageActions } from "../useImageActions";
import { DetailPanel } from "./DetailPanel";
import { useNeighbors } from "./useNeighbors";
import classes from "./detail.module.css";

interface Props {
  projectId: string;
  imageId: string;
  /** Place of the image in the list; -1: not known. */
  at: number;
  filter: ImageFilter;
  total: number;
  ordered: readonly Tag[];
  actions: ReturnType<typeof useImageActions>;
  readOnly: boolean;
  onOpen: (imageId: string | null, index?: number) => void;
}

/** One image, large, with its tags and properties; arrows go through the list. */
export function ImageDetail(props: Props) {
  const { projectId, imageId, at, filter, total, ordered, actions, readOnly, onOpen } = props;
  const image = useImage(projectId, imageId, filter.iterationId);
  const { next, previous, neighbor } = useNeighbors(projectId, filter, total, imageId, at);
  const [loaded, setLoaded] = useState<string | null>(null);
  const shown = useRef(imageId);
  useEffect(() => {
    shown.current = imageId;
  });

  // What a key does is about the image that was shown when it was pressed, also while its properties are read.
  async function go(direction: "next" | "previous") {
    const to = await neighbor(direction);
    if (to && shown.current === imageId) onOpen(to.id, to.index);
  }
  function toggle(tag: Tag | undefined) {
    if (tag && !readOnly) void actions.toggle({ imageIds: [imageId] }, tag);
  }
  function untag(tag: Tag | undefined) {
    if (tag) void actions.untag({ imageIds: [imageId] }, [tag]);
  }
  async function remove() {
    const next = (await neighbor("next")) ?? (await neighbor("previous"));
    if (!(await actions.remove({ imageIds: [imageId] })) || shown.current !== imageId) return;
    if (next) onOpen(next.id, Math.min(next.index, at));
    else onOpen(null);
  }

  useKeys({
    gridLeft: () => void go("previous"),
    gridRight: () => void go("next"),
    ...(!readOnly && {
      gridDelete: () => void remove(),
      ...forTagKeys("gridTag", (index) => () => toggle(ordered[index])),
      ...forTagKeys("gridUntag", (index) => () => untag(ordered[index])),
    }),
  });

  return (
    <Modal.Root opened onClose={() => onOpen(null)} fullScreen aria-label="Image">
      <Modal.Overlay />
      <Modal.Content aria-label="Image" data-keys-in-dialog data-own-keys>
        <Modal.Body className={classes.body}>
          <div className={classes.bar}>
            <Text className={classes.place} role="status">
              {at >= 0 ? `Image ${(at + 1).toLocaleString()} of ${total.toLocaleString()}` : "Image"}
            </Text>
            <Group gap="xs" ml="auto" wrap="nowrap">
              {!readOnly && (
                <Button variant="default" leftSection={<IconTrash size={16} />} onClick={() => void remove()} disabled={!image.data}>
                  Delete
                </Button>
              )}
              <Tooltip label="Close (Esc)">
                <ActionIcon variant="subtle" color="gray" size="lg" aria-label="Close" onClick={() => onOpen(null)}>
                  <IconX size={20} />
                </ActionIcon>
              </Tooltip>
            </Group>
          </div>
          <div className={classes.stage}>
            <ActionIcon
              className={classes.previous}
              variant="default"
              size="xl"
              radius="xl"
              aria-label="Previous image"
              disabled={!previous}
              onClick={() => void go("previous")}
            >
              <IconChevronLeft />
            </ActionIcon>
            <Loaded query={image}>
              {(data) =>
                data === null ? (
                  <EmptyState title="This image does not exist">It was perhaps deleted in another window.</EmptyState>
                ) : (
                  <img
                    key={data.id}
                    className={classes.image}
                    src={localUri(data.resizedImageUri)}
                    alt={(data.tags ?? []).map((tag) => tag.tagName).join(", ") || "Untagged"}
                    width={data.width}
                    height={data.height}
                    data-loaded={loaded === data.id}
                    onLoad={() => setLoaded(data.id)}
                  />
                )
              }
            </Loaded>
            <ActionIcon
              className={classes.next}
              variant="default"
              size="xl"
              radius="xl"
              aria-label="Next image"
              disabled={!next}
              onClick={() => void go("next")}
            >
              <IconChevronRight />
            </ActionIcon>
          </div>
          {image.data && (
            <DetailPanel image={image.data} ordered={ordered} readOnly={readOnly} onToggle={(tag) => toggle(tag)} />
          )}
        </Modal.Body>
      </Modal.Content>
    </Modal.Root>
  );
}
