import { Alert, Badge, Stack, Table, Text } from "@mantine/core";
import { Fact, FactList } from "../components/FactList";
import { count } from "../lib/format";
import { ProblemList } from "./ProblemList";
import type { DataSetImport, Report } from "./requests";
import classes from "./datasets.module.css";

/** What was found in a data set, and what an import of it adds. */
export function ImportPreview({ state }: { state: DataSetImport }) {
  const { report, failure } = state;
  if (report === null)
    return (
      <Alert color="red" role="alert" title="The data set cannot be read" style={{ overflowWrap: "anywhere" }}>
        {failure} {state.format === null && "If it is in one of the formats, choose it above."}
      </Alert>
    );
  const used = report.tags.filter((tag) => tag.imageCount > 0);
  const problems = report.problems.length > 0 && (
    <>
      <Text size="sm" fw={500}>
        {report.errorCount > 0 ? "Errors and notes" : "Notes"}
      </Text>
      <ProblemList label="Errors and notes" problems={report.problems} leftOut={report.problemsLeftOut} />
    </>
  );
  const unused = report.tags.length - used.length;
  return (
    <Stack gap="sm" role="region" aria-label="Content of the data set">
      {failure !== null && (
        <Alert
          color="red"
          role="alert"
          title={report.errorCount > 0 ? `${count(report.errorCount, "error")}: it cannot be imported` : "It cannot be imported"}
          style={{ overflowWrap: "anywhere" }}
        >
          {report.errorCount > 0
            ? "Nothing is imported as long as something is wrong. Correct the files and choose them again, or change the options."
            : failure}
        </Alert>
      )}
      {report.errorCount > 0 && problems}
      <FactList>
        <Fact name="Images">{images(report)}</Fact>
        {report.detection && <Fact name="Boxes">{amount(report.boxCount, report.newBoxCount)}</Fact>}
        <Fact name="Tags">
          {amount(used.length, report.newTagCount)}
          {unused > 0 && `; ${unused.toLocaleString()} without an image left out`}
        </Fact>
      </FactList>
      {used.length > 0 && <TagTable tags={used} withBoxes={report.detection} />}
      {report.errorCount === 0 && problems}
    </Stack>
  );
}

function New() {
  return (
    <Badge size="sm" variant="light" tt="none">
      new
    </Badge>
  );
}

function amount(all: number, added: number): string {
  if (all === 0) return "none";
  return added === all ? `${all.toLocaleString()}, ${all === 1 ? "new" : "all new"}` : `${all.toLocaleString()}, ${added.toLocaleString()} new`;
}

function images(report: Report): string {
  const parts = [
    amount(report.imageCount, report.newImageCount),
    report.knownImageCount > 0 && `${report.knownImageCount.toLocaleString()} in the project already`,
    report.changedImageCount > 0 && `${report.changedImageCount.toLocaleString()} of these get labels`,
    report.untaggedImageCount > 0 && `${report.untaggedImageCount.toLocaleString()} without a tag`,
  ];
  return parts.filter(Boolean).join(", ");
}

function TagTable({ tags, withBoxes }: { tags: Report["tags"]; withBoxes: boolean }) {
  return (
    <Table.ScrollContainer minWidth={0} mah={240} type="native" tabIndex={0}>
      <Table verticalSpacing={4} aria-label="Tags of the data set" className={classes.tags}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th>Tag</Table.Th>
            <Table.Th className={classes.number}>Images</Table.Th>
            {withBoxes && <Table.Th className={classes.number}>Boxes</Table.Th>}
            <Table.Th>In the project</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {tags.map((tag) => (
            <Table.Tr key={tag.name}>
              <Table.Td>
                <bdi>{tag.name}</bdi>
                {tag.type !== "Regular" && ` (${tag.type === "Negative" ? "negative" : tag.type})`}
              </Table.Td>
              <Table.Td className={classes.number}>{tag.imageCount.toLocaleString()}</Table.Td>
              {withBoxes && <Table.Td className={classes.number}>{tag.boxCount.toLocaleString()}</Table.Td>}
              <Table.Td>{tag.isNew ? <New /> : "exists"}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
