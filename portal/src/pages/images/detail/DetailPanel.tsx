import { Chip, Group, Stack, Table, Text, TextInput, Title } from "@mantine/core";
import { useState } from "react";
import type { Image } from "../../../api/queries/images";
import type { Tag } from "../../../api/queries/tags";
import { CopyText } from "../../../components/CopyText";
import { tagStroke } from "../../../components/tagColors";
import { tagAction } from "../../../keyboard/actions";
import { KeyOf } from "../../../keyboard/KeyOf";
import { dateTime } from "../../../lib/format";
import { folded } from "../../../lib/names";
import classes from "./detail.module.css";

interface Props {
  image: Image;
  ordered: readonly Tag[];
  readOnly: boolean;
  onToggle: (tag: Tag) => void;
}

const SEARCH_FROM = 16;
const MOST_SHOWN = 60;

/** Tags of an image, each switched on and off, and its properties. */
export function DetailPanel({ image, ordered, readOnly, onToggle }: Props) {
  const [text, setText] = useState("");
  const own = new Set((image.tags ?? []).map((tag) => tag.tagId));
  const typed = folded(text);
  // Its own tags first, where there are many.
  const sorted = ordered.length < SEARCH_FROM ? ordered : ordered.toSorted((a, b) => Number(own.has(b.id)) - Number(own.has(a.id)));
  const matching = sorted.filter((tag) => folded(tag.name).includes(typed));
  const metadata = Object.entries((image.metadata ?? {}) as Record<string, string>);
  return (
    <aside className={classes.panel} aria-label="Properties of the image">
      <Stack gap="sm">
        <Title order={2} size="h6">
          Tags
        </Title>
        {ordered.length >= SEARCH_FROM && (
          <TextInput
            size="xs"
            aria-label="Search in tags"
            placeholder="Search in tags"
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
          />
        )}
        {ordered.length === 0 && (
          <Text size="sm" c="dimmed">
            The project has no tags yet.
          </Text>
        )}
        <Group gap={6}>
          {matching.slice(0, MOST_SHOWN).map((tag) => (
            <Chip
              key={tag.id}
              size="sm"
              radius="sm"
              maw="100%"
              classNames={{ label: classes.chip }}
              variant="outline"
              checked={own.has(tag.id)}
              disabled={readOnly}
              onChange={() => onToggle(tag)}
            >
              <span className={classes.dot} style={{ background: tagStroke(tag.id) }} aria-hidden />
              <bdi className={classes.name}>{tag.name.slice(0, 120)}</bdi>
              {!readOnly && <KeyOf action={tagAction("gridTag", ordered.indexOf(tag))} />}
            </Chip>
          ))}
        </Group>
        {matching.length > MOST_SHOWN && (
          <Text size="sm" c="dimmed">
            {matching.length - MOST_SHOWN} more: type a part of the name.
          </Text>
        )}
        <Title order={2} size="h6">
          Properties
        </Title>
        <Table verticalSpacing={4} horizontalSpacing={0} aria-label="Properties" withRowBorders={false}>
          <Table.Tbody>
            <Property name="Added">{dateTime(`${image.created}Z`.replace(/ZZ$/, "Z"))}</Property>
            <Property name="Size">
              {image.width} × {image.height} pixels
            </Property>
            {metadata.map(([key, value]) => (
              <Property key={key} name={key}>
                <bdi>{value}</bdi>
              </Property>
            ))}
          </Table.Tbody>
        </Table>
        <CopyText value={image.id} label="image id" />
      </Stack>
    </aside>
  );
}

function Property({ name, children }: { name: string; children: React.ReactNode }) {
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={400} className={classes.property}>
        <bdi>{name}</bdi>
      </Table.Th>
      <Table.Td style={{ overflowWrap: "anywhere" }}>{children}</Table.Td>
    </Table.Tr>
  );
}
