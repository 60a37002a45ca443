import { Badge, type BadgeProps } from "@mantine/core";
import { tagHue } from "./tagColors";

/** The name of a tag in its color. Long names are cut with an ellipsis; the whole name is the tooltip. */
export function TagBadge({ tagId, name, ...rest }: { tagId: string; name: string } & BadgeProps) {
  return (
    <Badge
      variant="light"
      color={tagHue(tagId)}
      maw={220}
      title={name}
      styles={{ label: { unicodeBidi: "isolate" } }}
      {...rest}
    >
      {name}
    </Badge>
  );
}
