import { Button, Group, Paper, Progress, Text } from "@mantine/core";
import { UploadPanel } from "../uploads/UploadPanel";
import { useTasks } from "./tasks";
import classes from "./tasks.module.css";

/** Progress of uploads and other long work, above every page. */
export function TaskPanel() {
  const tasks = useTasks();
  return (
    <div className={classes.panel}>
      {tasks.map((task) => {
        const share = task.total ? (100 * task.done) / task.total : 0;
        return (
          <Paper key={task.id} withBorder shadow="md" p="sm" role="region" aria-label="Work in progress">
            <Group justify="space-between" wrap="nowrap" mb={4}>
              <Text size="sm" fw={500} truncate>
                {task.label}
              </Text>
              <Group gap="xs" wrap="nowrap">
                <Text size="sm" className={classes.share}>
                  {Math.floor(share)}%
                </Text>
                <Button size="compact-xs" variant="default" onClick={task.cancel} disabled={task.signal.aborted}>
                  Cancel
                </Button>
              </Group>
            </Group>
            <Progress value={share} size="sm" aria-label={task.label} transitionDuration={0} />
          </Paper>
        );
      })}
      <UploadPanel />
    </div>
  );
}
