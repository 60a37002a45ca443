import { Table } from "@mantine/core";
import type { Comparison } from "../../../api/queries/testSets";
import { percent, precisionText } from "../../../lib/format";
import { byTagName } from "../../../lib/tagNames";
import { DifferenceText } from "./DifferenceText";
import { FIGURES } from "./difference";
import styles from "./compare.module.css";

/** Figures before and after over all and of each tag, with their difference in percentage points. */
export function ComparisonTable({ comparison }: { comparison: Comparison }) {
  const all = {
    tagId: "",
    tagName: "All tags",
    count: comparison.imageCount,
    figures: comparison.figures,
    otherFigures: comparison.otherFigures,
    difference: comparison.difference,
  };
  return (
    <Table.ScrollContainer minWidth={680} className={styles.measured}>
      <Table verticalSpacing={6} highlightOnHover className={styles.table}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Tag</Table.Th>
            {FIGURES.map(([name, label]) => (
              <Table.Th key={name}>{label}</Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {[all, ...comparison.perTag.toSorted(byTagName)].map((tag) => (
            <Table.Tr key={tag.tagId} data-all={tag.tagId === "" || undefined}>
              <Table.Th scope="row" className={styles.tag} title={tag.tagName}>
                <bdi>{tag.tagName}</bdi>
              </Table.Th>
              {FIGURES.map(([name]) => (
                <Table.Td key={name}>
                  <span className={styles.figures}>
                    {figureText(tag.otherFigures, name)} → {figureText(tag.figures, name)}
                  </span>{" "}
                  {isDefined(tag.figures, name) && isDefined(tag.otherFigures, name) && <DifferenceText value={tag.difference?.[name]} />}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

type Figures = Comparison["figures"] | null;
type FigureName = (typeof FIGURES)[number][0];

/** Without predictions there is no precision, and no difference to another one. */
function isDefined(figures: Figures, name: FigureName): boolean {
  return name !== "precision" || figures?.predictionCount !== 0;
}

function figureText(figures: Figures, name: FigureName): string {
  return name === "precision" ? precisionText(figures?.precision, figures?.predictionCount) : percent(figures?.[name]);
}
