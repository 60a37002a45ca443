import { Stack, Text, Title } from "@mantine/core";
import type { ImageMap } from "../../api/queries/insight";
import type { Tag } from "../../api/queries/tags";
import { count } from "../../lib/format";
import styles from "./map.module.css";
import { UNTAGGED, type Mark } from "./marks";

interface Props {
  map: ImageMap;
  tags: readonly Tag[];
  marks: ReadonlyMap<string, Mark>;
  onSelect: (ids: string[], adds: boolean) => void;
}

/** The tags with their marks; each selects its images. */
export function MapLegend({ map, tags, marks, onSelect }: Props) {
  const rows = [
    ...tags.map((tag) => ({ id: tag.id, name: tag.name, mark: marks.get(tag.id) ?? UNTAGGED, images: map.images.filter((image) => image.tagIds.includes(tag.id)) })),
    { id: "", name: "Untagged", mark: UNTAGGED, images: map.images.filter((image) => image.tagIds.length === 0) },
  ];
  return (
    <Stack gap="sm">
      <Title order={2} size="h5">
        Tags
      </Title>
      <ul className={styles.legend}>
        {rows.map(({ id, name, mark, images }) => (
          <li key={id}>
            <button
              type="button"
              className={styles.tag}
              aria-label={`Select ${count(images.length, "image")} of ${name}`}
              onClick={(event) => onSelect(images.map((image) => image.id), event.shiftKey || event.ctrlKey)}
            >
              <svg width="16" height="16" viewBox="-8 -8 16 16" aria-hidden>
                <path d={mark.path} fill={`var(${mark.color})`} fillRule="evenodd" />
              </svg>
              <bdi>{name}</bdi>
              <span>{images.length.toLocaleString()}</span>
            </button>
          </li>
        ))}
      </ul>
      <Text size="xs" c="dimmed">
        {map.features === "Network"
          ? "Near each other are images that look alike to the network of quick training."
          : "Near each other are images with similar colors and shapes; the instant trainer uses no network."}{" "}
        {map.method === "NeighborEmbedding" ? "Distances between groups have no meaning." : "The axes are the first two principal components."}
      </Text>
      <Text size="xs" c="dimmed">
        Draw around images to select them; Shift adds. By keyboard: arrows and + − move and zoom, V selects what is in sight, a
        tag above its images.
      </Text>
    </Stack>
  );
}
