import { Text } from "@mantine/core";
import { Spotlight, type SpotlightActionData } from "@mantine/spotlight";
import { useLocation } from "wouter";
import { useProjects } from "../api/queries/projects";
import { ACTIONS } from "../keyboard/actions";
import { keysOf, shownKey, useBindings } from "../keyboard/bindings";
import { useCommands } from "../keyboard/commands";

const PLACES = new Map(Object.keys(ACTIONS).map((id, index) => [id, index]));

/** Every command that can be run now, in the order of the list of keys, and every project. */
export function Palette() {
  const commands = useCommands();
  const bindings = useBindings();
  const [, navigate] = useLocation();
  const projects = useProjects().data ?? [];
  const actions: SpotlightActionData[] = [
    ...commands
      .filter((command) => command.id !== "palette")
      .toSorted((a, b) => (PLACES.get(a.id) ?? 0) - (PLACES.get(b.id) ?? 0))
      .map((command) => ({
        id: command.id,
        label: ACTIONS[command.id]?.label ?? command.id,
        rightSection: (
          <Text size="xs" c="dimmed">
            {keysOf(command.id, bindings).map(shownKey).join(" or ")}
          </Text>
        ),
        onClick: command.run,
      })),
    ...projects.map((project) => ({
      id: `project-${project.id}`,
      label: `Open ${project.name}`,
      onClick: () => navigate(`/projects/${project.id}/images`),
    })),
  ];
  return (
    <Spotlight
      actions={actions}
      shortcut={null}
      limit={16}
      overlayProps={{ blur: 0, backgroundOpacity: 0.5 }}
      scrollable
      // The keyboard reaches a list that is longer than its space.
      scrollAreaProps={{ viewportProps: { tabIndex: 0 } }}
      nothingFound="No command of that name"
      searchProps={{ placeholder: "Command or project", "aria-label": "Command or project" }}
    />
  );
}
