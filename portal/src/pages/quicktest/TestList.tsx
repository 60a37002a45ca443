import { ActionIcon, Text } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { IconX } from "@tabler/icons-react";
import { useRef, useState } from "react";
import { inWords } from "../../api/errors";
import { percent } from "../../lib/format";
import type { Outcome, TestedImage } from "./tests";
import { useObjectUrl } from "../../components/useObjectUrl";
import classes from "./quicktest.module.css";

interface TestQuery {
  data?: Outcome | undefined;
  error: unknown;
}

interface Props {
  tested: readonly { image: TestedImage; query: TestQuery | undefined }[];
  currentId: number | null;
  onCurrent: (id: number) => void;
  onRemove: (id: number) => void;
}

const ROW_PX = 56;

/** The tested images, newest first, each with its most probable tag. */
export function TestList({ tested, currentId, onCurrent, onRemove }: Props) {
  const container = useRef<HTMLDivElement>(null);
  // eslint-disable-next-line react-hooks/incompatible-library -- nothing here is memoized by its functions
  const rows = useVirtualizer({
    count: tested.length,
    getScrollElement: () => container.current,
    estimateSize: () => ROW_PX,
    overscan: 6,
  });
  return (
    <div ref={container} className={classes.list}>
      <ul className={classes.rows} style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index, start }) => {
          const each = tested[tested.length - 1 - index];
          return (
            each && (
              <li key={each.image.id} className={classes.row} style={{ transform: `translateY(${start}px)` }}>
                <button
                  type="button"
                  className={classes.open}
                  aria-current={each.image.id === currentId || undefined}
                  onClick={() => onCurrent(each.image.id)}
                >
                  <SmallImage image={each.image} />
                  <span className={classes.texts}>
                    <bdi className={classes.cut}>{each.image.name}</bdi>
                    <Text span size="xs" c={each.query?.error ? "red" : undefined} className={classes.cut}>
                      {summary(each.query)}
                    </Text>
                  </span>
                </button>
                <ActionIcon variant="subtle" color="gray" aria-label={`Remove ${each.image.name}`} onClick={() => onRemove(each.image.id)}>
                  <IconX size={16} />
                </ActionIcon>
              </li>
            )
          );
        })}
      </ul>
    </div>
  );
}

function summary(query: TestQuery | undefined): string {
  if (query?.error) return inWords(query.error);
  if (!query?.data) return "Waiting …";
  const [first] = query.data.predictions;
  return first ? `${first.tagName} ${percent(first.probability)}` : "Nothing found";
}

function SmallImage({ image }: { image: TestedImage }) {
  const url = useObjectUrl("file" in image.source ? image.source.file : null);
  const [unreadable, setUnreadable] = useState(false);
  return url && !unreadable ? <img className={classes.small} src={url} alt="" onError={() => setUnreadable(true)} /> : <span className={classes.small} />;
}
