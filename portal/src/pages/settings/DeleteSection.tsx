import { Group, Text } from "@mantine/core";
import { useLocation } from "wouter";
import type { Project } from "../../api/queries/projects";
import { useDeleteProject } from "../../components/project/useDeleteProject";
import { Section } from "../../components/Section";
import { PermittedButton } from "../../components/PermittedButton";

export function DeleteSection({ project }: { project: Project }) {
  const [, navigate] = useLocation();
  const { remove, dialog } = useDeleteProject();
  return (
    <Section title="Delete">
      <Text size="sm" c="dimmed">
        The project is deleted with its images, tags and iterations. Copies stay.
      </Text>
      <Group>
        <PermittedButton operation="DeleteProject"
          color="red"
          variant="outline"
          onClick={() =>
            void remove(project).then((deleted) => {
              if (deleted) navigate("/projects");
            })
          }
        >
          Delete this project
        </PermittedButton>
      </Group>
      {dialog}
    </Section>
  );
}
