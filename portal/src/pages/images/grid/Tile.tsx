import { memo, useState, type CSSProperties } from "react";
import { thumbnailOf, type Image } from "../../../api/queries/images";
import { tagHue, tagStroke } from "../../../components/tagColors";
import { count } from "../../../lib/format";
import { boxPaths } from "./boxPaths";
import type { Size } from "./layout";
import classes from "./grid.module.css";

interface Props {
  index: number;
  column: number;
  side: number;
  size: Size;
  image: Image | undefined;
  selected: boolean;
  focusable: boolean;
  /** Names of tags by their ids: a renamed tag is shown before the pages are loaded again. */
  names: ReadonlyMap<string, string>;
}

/** Few elements, since many tiles are in the document: the text of all tags is one element at the smallest size. */
const BADGES: Record<Size, number> = { S: 1, M: 2, L: 3 };
const LONGEST_NAME = 200;

export const Tile = memo(function Tile({ index, column, side, size, image, selected, focusable, names }: Props) {
  const [failed, setFailed] = useState<string>();
  const style: CSSProperties = { width: side, height: side };
  const common = {
    role: "gridcell",
    "aria-colindex": column + 1,
    "aria-selected": selected,
    "data-index": index,
    tabIndex: focusable ? 0 : -1,
    className: classes.tile,
    style,
  } as const;
  if (!image) return <div {...common} aria-label={`Image ${(index + 1).toLocaleString()}, loading`} />;
  const tags = (image.tags ?? []).map((tag) => ({
    id: tag.tagId,
    name: (names.get(tag.tagId) ?? tag.tagName ?? "").slice(0, LONGEST_NAME),
  }));
  const shown = tags.slice(0, BADGES[size]);
  const more = tags.length - shown.length;
  const uri = thumbnailOf(image, failed);
  return (
    <div {...common} aria-label={labelOf(index, image, tags)} data-image={image.id}>
      {failed === uri ? null : (
        <img
          className={classes.image}
          src={uri}
          alt=""
          draggable={false}
          decoding="async"
          onError={() => setFailed(uri)}
        />
      )}
      {image.regions && (
        <svg
          className={classes.boxes}
          viewBox={`0 0 ${image.width} ${image.height}`}
          preserveAspectRatio="xMidYMid meet"
          aria-hidden
        >
          {boxPaths(image.regions, image.width, image.height).map(({ tagId, path }) => (
            <path key={tagId} d={path} stroke={tagStroke(tagId)} />
          ))}
        </svg>
      )}
      <span className={classes.check} data-check aria-hidden />
      {tags.length > 0 && (
        <span className={classes.tags} aria-hidden>
          {shown.map((tag) => (
            <span key={tag.id} className={classes.tag} style={colorOf(tag.id)}>
              {tag.name}
            </span>
          ))}
          {more > 0 && <span className={`${classes.tag} ${classes.more}`}>+{more}</span>}
        </span>
      )}
    </div>
  );
});

function colorOf(tagId: string): CSSProperties {
  return { "--tag-color": `var(--mantine-color-${tagHue(tagId)}-6)` } as CSSProperties;
}

function labelOf(index: number, image: Image, tags: readonly { name: string }[]): string {
  const parts = [`Image ${(index + 1).toLocaleString()}`];
  parts.push(tags.length ? tags.map((tag) => tag.name).join(", ") : "untagged");
  if (image.regions) parts.push(count(image.regions.length, "box", "boxes"));
  return parts.join(", ");
}
