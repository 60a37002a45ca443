import { Redirect, Route, Switch, useLocation, useSearch } from "wouter";
import { isMissing } from "../api/errors";
import { useDomains, useProject } from "../api/queries/projects";
import { useTags } from "../api/queries/tags";
import { Loaded } from "../components/states";
import { together } from "../components/together";
import { useKeys } from "../keyboard/useKeys";
import { UndoProvider } from "../undo/UndoProvider";
import { ErrorBoundary } from "./ErrorBoundary";
import { NoSuchPage, NoSuchProject } from "./NoSuchPage";
import { PROJECT_PAGES } from "./pages";

/** The pages of one project. */
export function ProjectFrame({ projectId }: { projectId: string }) {
  const project = useProject(projectId);
  // Colors of tags depend on all tags of the project, and much of a page on its kind, which is that of its domain.
  const complete = together(project, useTags(projectId), useDomains());
  const [location, navigate] = useLocation();
  const search = useSearch();
  const base = `/projects/${projectId}`;
  /** Open a dialog of a page: of the open iteration, with the filter that is set. */
  const openDialog = (path: string, name: string) => {
    const isOpen = location.startsWith(`${base}/${path}`);
    const parameters = new URLSearchParams(isOpen ? search : "");
    parameters.set("dialog", name);
    navigate(`${isOpen ? location : `${base}/${path}`}?${parameters.toString()}`);
  };
  useKeys({
    ...Object.fromEntries(
      PROJECT_PAGES.flatMap(({ action, path }) => (action ? [[action, () => navigate(`${base}/${path}`)] as const] : [])),
    ),
    addImages: () => openDialog("images", "add"),
    importDataSet: () => openDialog("images", "dataset"),
    exportDataSet: () => openDialog("images", "export"),
    publish: () => openDialog("results", "publish"),
  });
  if (isMissing(project.error)) return <NoSuchProject />;
  return (
    <Loaded query={complete}>
      {() => (
        <UndoProvider key={projectId} projectId={projectId}>
          <ErrorBoundary resetKey={location}>
            <Switch>
              {PROJECT_PAGES.map(({ path, component: Page }) => (
                <Route key={path} path={`/projects/:projectId/${path}/*?`}>
                  <Page projectId={projectId} />
                </Route>
              ))}
              <Route path="/projects/:projectId">
                <Redirect to={`/projects/${projectId}/images`} replace />
              </Route>
              <Route>
                <NoSuchPage />
              </Route>
            </Switch>
          </ErrorBoundary>
        </UndoProvider>
      )}
    </Loaded>
  );
}
