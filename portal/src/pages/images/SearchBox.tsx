import { Combobox, TextInput, useCombobox } from "@mantine/core";
import { IconSearch } from "@tabler/icons-react";
import { useState } from "react";
import type { Tag } from "../../api/queries/tags";
import { count } from "../../lib/format";
import { metadataCondition, MOST_FILTER_TAGS, type ImageFilter } from "../../lib/imageFilter";
import { folded } from "../../lib/names";

interface Props {
  filter: ImageFilter;
  onFilter: (change: Partial<ImageFilter>) => void;
  tags: readonly Tag[];
}

const MOST_SHOWN = 30;

/** Finds tags by parts of their names, and images by metadata ("shop=north"). */
export function SearchBox({ filter, onFilter, tags }: Props) {
  const [text, setText] = useState("");
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() });
  const typed = folded(text);
  const matching = tags.filter((tag) => !filter.tagIds.includes(tag.id) && folded(tag.name).includes(typed));
  const condition = metadataCondition(text);

  function choose(value: string) {
    if (value === "metadata") onFilter({ metadata: condition ?? "" });
    else if (value === "all") {
      const ids = matching.map((tag) => tag.id);
      onFilter({ status: "All", tagIds: [...filter.tagIds, ...ids].slice(0, MOST_FILTER_TAGS) });
    } else
      onFilter({
        status: filter.status === "Untagged" ? "All" : filter.status,
        tagIds: [...filter.tagIds, value].slice(0, MOST_FILTER_TAGS),
      });
    setText("");
    combobox.closeDropdown();
  }

  return (
    <Combobox store={combobox} onOptionSubmit={choose} width={300} position="bottom-start">
      <Combobox.Target>
        <TextInput
          aria-label="Search for tags or metadata"
          placeholder="Tag or key=value"
          leftSection={<IconSearch size={16} />}
          w={250}
          ml="auto"
          value={text}
          onChange={(event) => {
            setText(event.currentTarget.value);
            combobox.openDropdown();
            combobox.selectFirstOption();
          }}
          onFocus={() => combobox.openDropdown()}
          onClick={() => combobox.openDropdown()}
          onBlur={() => combobox.closeDropdown()}
          onKeyDown={(event) => {
            if (event.key === "Enter" && condition && !event.nativeEvent.isComposing) {
              event.preventDefault();
              choose("metadata");
            }
          }}
        />
      </Combobox.Target>
      <Combobox.Dropdown>
        <Combobox.Options mah={320} style={{ overflowY: "auto" }}>
          {condition && <Combobox.Option value="metadata">Metadata: {condition}</Combobox.Option>}
          {typed && matching.length > 1 && (
            <Combobox.Option value="all">
              Any of these {count(Math.min(matching.length, MOST_FILTER_TAGS), "tag")}
            </Combobox.Option>
          )}
          {matching.slice(0, MOST_SHOWN).map((tag) => (
            <Combobox.Option key={tag.id} value={tag.id}>
              <bdi>{tag.name.slice(0, 80)}</bdi> ({tag.imageCount.toLocaleString()})
            </Combobox.Option>
          ))}
          {!condition && matching.length === 0 && (
            <Combobox.Empty>No tag has this in its name. Metadata are searched as key=value.</Combobox.Empty>
          )}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  );
}
