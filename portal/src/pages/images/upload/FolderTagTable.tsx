import { Checkbox, Table, Text } from "@mantine/core";
import type { Tag } from "../../../api/queries/tags";
import { folded, problemOfName } from "../../../lib/names";
import type { FolderTag } from "../../../uploads/folderTags";

const LONGEST_SHOWN = 300;

interface Props {
  found: readonly FolderTag[];
  known: readonly Tag[];
  /** Folded names of the tags that are not given. */
  left: ReadonlySet<string>;
  onLeft: (name: string, isLeft: boolean) => void;
}

/** The tags that folders give, before anything is written. */
export function FolderTagTable({ found, known, left, onLeft }: Props) {
  const names = new Set(known.map((tag) => folded(tag.name)));
  return (
    <Table.ScrollContainer minWidth={0} mah={220} type="native" tabIndex={0}>
      <Table verticalSpacing={4} aria-label="Tags of folders">
        <Table.Thead>
          <Table.Tr>
            <Table.Th w={36} aria-label="Give the tag" />
            <Table.Th>Tag</Table.Th>
            <Table.Th ta="right">Images</Table.Th>
            <Table.Th />
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {found.map((tag) => (
            <Table.Tr key={tag.name}>
              <Table.Td>
                <Checkbox
                  size="xs"
                  aria-label={`Give the tag ${tag.name}`}
                  checked={!left.has(folded(tag.name))}
                  onChange={(event) => onLeft(tag.name, !event.currentTarget.checked)}
                />
              </Table.Td>
              <Table.Td style={{ overflowWrap: "anywhere" }}>
                <bdi>{tag.name.slice(0, LONGEST_SHOWN)}</bdi>
                {!left.has(folded(tag.name)) && problemOfName(tag.name) !== null && (
                  <Text size="xs" c="red">
                    {problemOfName(tag.name)} Rename the folder, or clear the checkbox.
                  </Text>
                )}
              </Table.Td>
              <Table.Td ta="right">{tag.files.toLocaleString()}</Table.Td>
              <Table.Td>{names.has(folded(tag.name)) ? "" : "new"}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
