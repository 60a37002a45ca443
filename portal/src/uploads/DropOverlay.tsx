import { Text } from "@mantine/core";
import { IconUpload } from "@tabler/icons-react";
import classes from "./uploads.module.css";

/** What lies above the page while files are dragged over it. */
export function DropOverlay({ text }: { text: string }) {
  return (
    <div className={classes.over}>
      <IconUpload size={40} />
      <Text fw={600}>{text}</Text>
    </div>
  );
}
