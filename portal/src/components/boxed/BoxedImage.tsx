import { useState, type CSSProperties, type ReactNode } from "react";
import { percent } from "../../lib/format";
import { tagStroke } from "../tagColors";
import classes from "./boxed.module.css";

/** A predicted box: edges as fractions of the upright image. */
export interface PredictedBox {
  key: string;
  tagId: string;
  tagName: string;
  probability: number;
  left: number;
  top: number;
  width: number;
  height: number;
}

interface Props {
  src: string;
  alt: string;
  boxes?: readonly PredictedBox[];
  /** The box that is emphasized. */
  current?: string | null;
  onCurrent?: (key: string | null) => void;
  onError?: () => void;
  /** What is laid over the image, below the boxes. */
  children?: ReactNode;
}

/** An image that fits its container, with boxes above it. What the boxes say is in a list beside it, too. */
export function BoxedImage({ src, alt, boxes = [], current = null, onCurrent, onError, children }: Props) {
  const [ratio, setRatio] = useState<number | null>(null);
  return (
    <div className={classes.stage}>
      <div className={classes.fit} style={{ "--ratio": ratio ?? 1 } as CSSProperties}>
        <img
          className={classes.image}
          src={src}
          alt={alt}
          onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) => setRatio(naturalWidth / naturalHeight)}
          onError={onError}
        />
        {ratio !== null && children}
        {ratio !== null &&
          boxes.map((box) => (
            <div
              key={box.key}
              aria-hidden
              className={classes.box}
              data-current={box.key === current || undefined}
              onMouseEnter={() => onCurrent?.(box.key)}
              onMouseLeave={() => onCurrent?.(null)}
              style={
                {
                  left: percent(box.left, 4),
                  top: percent(box.top, 4),
                  width: percent(box.width, 4),
                  height: percent(box.height, 4),
                  "--stroke": tagStroke(box.tagId),
                } as CSSProperties
              }
            >
              <span className={classes.name}>
                <bdi>{box.tagName}</bdi>
                <span>{percent(box.probability, 0)}</span>
              </span>
            </div>
          ))}
      </div>
    </div>
  );
}
