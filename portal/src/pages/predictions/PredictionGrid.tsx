import { Checkbox, Text } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import { localUri } from "../../api/client";
import { Moment } from "../../components/Moment";
import { percent } from "../../lib/format";
import type { StoredPrediction } from "./usePredictions";
import classes from "./predictions.module.css";

const TILE_PX = 190;
const ROW_PX = 236;
const ROWS_BEFORE_END = 2;

interface Props {
  predictions: readonly StoredPrediction[];
  selected: ReadonlySet<string>;
  onToggle: (id: string) => void;
  onOpen: (id: string) => void;
  hasMore: boolean;
  onMore: () => void;
}

/** Tiles of predictions; further pages are requested at the end. */
export function PredictionGrid({ predictions, selected, onToggle, onOpen, hasMore, onMore }: Props) {
  const container = useRef<HTMLDivElement>(null);
  const { ref: measured, width } = useElementSize();
  const columns = Math.max(1, Math.floor(width / TILE_PX));
  const rows = Math.ceil(predictions.length / columns);
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoized by its functions
  const grid = useVirtualizer({ count: rows, getScrollElement: () => container.current, estimateSize: () => ROW_PX, overscan: 2 });
  const visible = grid.getVirtualItems();
  const last = visible.at(-1)?.index ?? 0;

  useEffect(() => {
    if (hasMore && width > 0 && last >= rows - ROWS_BEFORE_END) onMore();
    // eslint-disable-next-line react-hooks/exhaustive-deps -- onMore is new at each rendering
  }, [hasMore, last, rows, width]);

  return (
    <div ref={container} className={classes.scroller}>
      <div ref={measured} style={{ height: grid.getTotalSize(), position: "relative" }}>
        {visible.map((row) => (
          <div
            key={row.key}
            className={classes.row}
            style={{ transform: `translateY(${row.start}px)`, gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` }}
          >
            {predictions.slice(row.index * columns, (row.index + 1) * columns).map((prediction) => (
              <Tile
                key={prediction.id}
                prediction={prediction}
                isSelected={selected.has(prediction.id)}
                onToggle={onToggle}
                onOpen={onOpen}
              />
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

interface TileProps {
  prediction: StoredPrediction;
  isSelected: boolean;
  onToggle: (id: string) => void;
  onOpen: (id: string) => void;
}

function Tile({ prediction, isSelected, onToggle, onOpen }: TileProps) {
  const [first] = prediction.predictions;
  const name = first ? `${first.tagName} ${percent(first.probability)}` : "Nothing found";
  return (
    <div className={classes.tile} data-selected={isSelected || undefined}>
      <button type="button" className={classes.open} onClick={() => onOpen(prediction.id)} aria-label={`Open the prediction: ${name}`}>
        <img src={localUri(prediction.thumbnailUri)} alt="" loading="lazy" className={classes.thumbnail} />
        <bdi className={classes.name}>{name}</bdi>
        <Text span size="xs" c="dimmed">
          <Moment value={prediction.created} />
        </Text>
      </button>
      <Checkbox
        className={classes.check}
        size="md"
        checked={isSelected}
        onChange={() => onToggle(prediction.id)}
        aria-label={`Select the prediction: ${name}`}
      />
    </div>
  );
}
