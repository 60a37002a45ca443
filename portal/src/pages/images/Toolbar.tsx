import { ActionIcon, Menu, Pill, SegmentedControl, Select, Text } from "@mantine/core";
import { IconDots, IconPackageExport, IconPackageImport, IconUpload } from "@tabler/icons-react";
import { tagHue } from "../../components/tagColors";
import type { Tag } from "../../api/queries/tags";
import { count } from "../../lib/format";
import type { ImageFilter } from "../../lib/imageFilter";
import type { Size } from "./grid/layout";
import { SearchBox } from "./SearchBox";
import { PermittedButton } from "../../components/PermittedButton";
import classes from "./images.module.css";

interface Props {
  filter: ImageFilter;
  onFilter: (change: Partial<ImageFilter>) => void;
  size: Size;
  onSize: (size: Size) => void;
  total: number | undefined;
  tags: readonly Tag[];
  onUpload: (() => void) | null;
  onImport: (() => void) | null;
  onExport: () => void;
}

/** What is shown and how: number of images, filter, order, size; and the upload. */
export function Toolbar({ filter, onFilter, size, onSize, total, tags, onUpload, onImport, onExport }: Props) {
  const chosen = tags.filter((tag) => filter.tagIds.includes(tag.id));
  return (
    <div className={classes.bar}>
      {onUpload && (
        <PermittedButton operation="CreateImagesFromData" leftSection={<IconUpload size={18} />} onClick={onUpload}>
          Add images
        </PermittedButton>
      )}
      <Text className={`${classes.count} ${classes.total}`} role="status" aria-label="Number of images" data-testid="image-count">
        {total === undefined ? "…" : count(total, "image")}
      </Text>
      {chosen.map((tag) => (
        <Pill
          key={tag.id}
          withRemoveButton
          removeButtonProps={{ "aria-label": `Do not filter by ${tag.name}`, tabIndex: 0, "aria-hidden": false }}
          onRemove={() => onFilter({ tagIds: filter.tagIds.filter((id) => id !== tag.id) })}
          maw={200}
          bg={`var(--mantine-color-${tagHue(tag.id)}-light)`}
          c="var(--mantine-color-text)"
        >
          <bdi>{tag.name}</bdi>
        </Pill>
      ))}
      {filter.metadata && (
        <Pill
          withRemoveButton
          removeButtonProps={{ "aria-label": "Do not filter by metadata", tabIndex: 0, "aria-hidden": false }}
          onRemove={() => onFilter({ metadata: "" })}
          maw={320}
        >
          <bdi>{filter.metadata}</bdi>
        </Pill>
      )}
      <SearchBox filter={filter} onFilter={onFilter} tags={tags} />
      <Select
        aria-label="Order"
        w={150}
        data={[
          { value: "Newest", label: "Newest first" },
          { value: "Oldest", label: "Oldest first" },
        ]}
        value={filter.order}
        onChange={(order) => onFilter({ order: (order ?? "Newest") })}
        allowDeselect={false}
        checkIconPosition="right"
      />
      <SegmentedControl
        aria-label="Size of the images"
        data={["S", "M", "L"]}
        value={size}
        onChange={(next) => onSize(next)}
      />
      <Menu position="bottom-end" withinPortal>
        <Menu.Target>
          <ActionIcon variant="default" size={36} aria-label="Data sets">
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {onImport && (
            <Menu.Item leftSection={<IconPackageImport size={16} />} onClick={onImport}>
              Import a data set
            </Menu.Item>
          )}
          <Menu.Item leftSection={<IconPackageExport size={16} />} onClick={onExport}>
            Export as a data set
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </div>
  );
}
