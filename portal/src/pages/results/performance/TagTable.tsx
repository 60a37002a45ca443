import { Anchor, Table, Title, UnstyledButton } from "@mantine/core";
import { IconAlertTriangle, IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import { Link, useLocation, useSearchParams } from "wouter";
import { percent } from "../../../lib/format";
import { useSetParameters } from "../../../components/thresholds/address";
import { sorted, sortingOf, sortingText, type Column, type TagRow } from "./rows";
import styles from "./performance.module.css";

const HEADINGS: readonly (readonly [column: Column, label: string])[] = [
  ["name", "Tag"],
  ["precision", "Precision"],
  ["recall", "Recall"],
  ["averagePrecision", "AP"],
  ["imageCount", "Images"],
];
const COLORS = { precision: "grape", recall: "blue", averagePrecision: "green" } as const;

/** Performance per tag; a heading sorts, a name leads to the images that are wrong. */
export function TagTable({ rows }: { rows: readonly TagRow[] }) {
  const [parameters] = useSearchParams();
  const setParameters = useSetParameters();
  const sorting = sortingOf(parameters.get("sort"));
  const most = Math.max(1, ...rows.map((each) => each.imageCount ?? 0));
  const sortBy = (column: Column) => {
    const descending = sorting.column === column ? !sorting.descending : column !== "name";
    setParameters({ sort: sortingText({ column, descending }) });
  };
  return (
    <section aria-labelledby="per-tag">
      <Title order={2} size="h5" id="per-tag" mb="xs">
        Performance per tag
      </Title>
      <Table.ScrollContainer minWidth={560}>
        <Table highlightOnHover verticalSpacing={6}>
          <Table.Thead>
            <Table.Tr>
              {HEADINGS.map(([column, label]) => (
                <Table.Th key={column} aria-sort={ariaSort(sorting.column === column, sorting.descending)}>
                  <UnstyledButton className={styles.heading} onClick={() => sortBy(column)}>
                    {label}
                    <SortIcon active={sorting.column === column} descending={sorting.descending} />
                  </UnstyledButton>
                </Table.Th>
              ))}
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {sorted(rows, sorting).map((row) => (
              <Table.Tr key={row.id}>
                <Table.Th scope="row" className={styles.tag}>
                  <WrongImagesLink row={row} />
                </Table.Th>
                {(["precision", "recall", "averagePrecision"] as const).map((column) => (
                  <Table.Td key={column}>
                    <Bar share={row[column] ?? 0} color={COLORS[column]} text={percent(row[column])} />
                  </Table.Td>
                ))}
                <Table.Td>
                  <ImageCount row={row} most={most} />
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </section>
  );
}

function ariaSort(active: boolean, descending: boolean) {
  return active ? (descending ? "descending" : "ascending") : "none";
}

function SortIcon({ active, descending }: { active: boolean; descending: boolean }) {
  const Icon = descending ? IconArrowDown : IconArrowUp;
  return <Icon size={14} aria-hidden visibility={active ? "visible" : "hidden"} />;
}

function WrongImagesLink({ row }: { row: TagRow }) {
  const [location] = useLocation();
  const [parameters] = useSearchParams();
  const next = new URLSearchParams(parameters);
  next.set("tab", "images");
  next.set("tag", row.id);
  next.set("wrong", "1");
  return (
    <Anchor
      component={Link}
      href={`${location}?${next.toString()}`}
      className={styles.tagName}
      title={`Images of ${row.name} that are wrong`}
      c="inherit"
      size="sm"
      underline="always"
    >
      {row.name}
    </Anchor>
  );
}

function Bar({ share, color, text }: { share: number; color: string; text: string }) {
  return (
    <div className={styles.cell}>
      <span className={styles.number}>{text}</span>
      <svg className={styles.bar} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden>
        <rect width={100} height={6} className={styles.track} />
        <rect width={share * 100} height={6} fill={`var(--mantine-color-${color}-6)`} />
      </svg>
    </div>
  );
}

function ImageCount({ row, most }: { row: TagRow; most: number }) {
  if (row.imageCount === null) return "–";
  return (
    <div className={styles.cell}>
      <Bar share={row.imageCount / most} color={row.warning === null ? "gray" : "orange"} text={row.imageCount.toLocaleString()} />
      {row.warning !== null && (
        <span title={row.warning} className={styles.warning}>
          <IconAlertTriangle size={16} role="img" aria-label={row.warning} />
        </span>
      )}
    </div>
  );
}
