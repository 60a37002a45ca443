import { useVirtualizer } from "@tanstack/react-virtual";
import { IconCheck } from "@tabler/icons-react";
import { useEffect, useRef } from "react";
import type { SessionImage } from "./useSession";
import classes from "./label.module.css";

const WIDTH = 78;
const GAP = 4;

interface Props {
  images: readonly SessionImage[];
  index: number;
  isLabeled: (image: SessionImage) => boolean;
  onShow: (imageId: string) => void;
}

/** The images of the session in a row; only those in view are in the page. */
export function Filmstrip({ images, index, isLabeled, onShow }: Props) {
  const scroller = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing of it is memoized
  const virtual = useVirtualizer({
    count: images.length,
    horizontal: true,
    getScrollElement: () => scroller.current,
    estimateSize: () => WIDTH + GAP,
    overscan: 6,
  });
  useEffect(() => {
    if (index >= 0) virtual.scrollToIndex(index, { align: "center" });
  }, [virtual, index]);

  return (
    <nav aria-label="Images of this session">
      <div ref={scroller} className={classes.scroller}>
        <div style={{ position: "relative", width: virtual.getTotalSize(), height: 72 }}>
          {virtual.getVirtualItems().map((item) => {
            const image = images[item.index];
            if (!image) return null;
            const labeled = isLabeled(image);
            return (
              <button
                key={image.id}
                type="button"
                className={classes.thumb}
                style={{ left: item.start + GAP, width: WIDTH }}
                aria-label={`Image ${item.index + 1}${labeled ? ", labeled" : ""}`}
                aria-current={item.index === index}
                tabIndex={item.index === index ? 0 : -1}
                onMouseDown={(event) => event.preventDefault()}
                onClick={() => onShow(image.id)}
              >
                {image.thumbnail && <img src={image.thumbnail} alt="" loading="lazy" draggable={false} />}
                {labeled && (
                  <span className={classes.done}>
                    <IconCheck size={12} />
                  </span>
                )}
              </button>
            );
          })}
        </div>
      </div>
    </nav>
  );
}
