import { Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { body, training } from "../../api/client";
import { inWords } from "../../api/errors";
import { cacheKeys } from "../../api/keys";
import type { Project } from "../../api/queries/projects";
import { count, named } from "../../lib/format";
import { announce } from "../announce";
import { useConfirm } from "../confirm";

async function contentOf(projectId: string) {
  const params = { path: { projectId } };
  const [images, tags, iterations] = await Promise.all([
    body(training.GET("/projects/{projectId}/images/count", { params })),
    body(training.GET("/projects/{projectId}/tags", { params })),
    body(training.GET("/projects/{projectId}/iterations", { params })),
  ]);
  return { images, tags: tags.length, iterations };
}

/**
 * Deleting a project, after a question that says what is lost. A project with published iterations is refused by
 * the service, so they are unpublished first; the question says so.
 *
 * Returns the element to render, and a function that resolves to whether the project was deleted.
 */
export function useDeleteProject() {
  const { ask, dialog } = useConfirm();
  const client = useQueryClient();

  const remove = async (project: Project): Promise<boolean> => {
    try {
      const content = await contentOf(project.id);
      const published = content.iterations.filter((each) => each.publishName !== null);
      const agreed = await ask({
        title: "Delete this project?",
        action: published.length ? "Unpublish and delete" : "Delete project",
        danger: true,
        message: (
          <>
            <Text fw={600} lineClamp={3} style={{ unicodeBidi: "isolate", overflowWrap: "anywhere" }}>
              {project.name}
            </Text>
            <Text mt="xs">
              {count(content.images, "image")}, {count(content.tags, "tag")} and{" "}
              {count(content.iterations.length, "iteration")} are deleted with it. This cannot be undone.
            </Text>
            {published.length > 0 && (
              <Text mt="xs">
                Programs that predict with {published.map((each) => named(each.publishName ?? "")).join(", ")} will get
                errors.
              </Text>
            )}
          </>
        ),
      });
      if (!agreed) return false;
      for (const each of published)
        await training.DELETE("/projects/{projectId}/iterations/{iterationId}/publish", {
          params: { path: { projectId: project.id, iterationId: each.id } },
        });
      await training.DELETE("/projects/{projectId}", { params: { path: { projectId: project.id } } });
    } catch (error) {
      notifications.show({ color: "red", title: "The project was not deleted", message: inWords(error) });
      void client.invalidateQueries({ queryKey: cacheKeys.projects });
      return false;
    }
    client.setQueryData<Project[]>(cacheKeys.projects, (all) => all?.filter((each) => each.id !== project.id));
    void client.invalidateQueries({ queryKey: cacheKeys.projects });
    announce("Project deleted");
    return true;
  };
  return { remove, dialog };
}
