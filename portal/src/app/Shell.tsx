import { spotlight } from "@mantine/spotlight";
import { useEffect, useState } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";
import { setConnection, useConnection } from "../api/connection";
import { useSession } from "../api/queries/session";
import { LiveRegion } from "../components/LiveRegion";
import { Loaded } from "../components/states";
import { KeyHelp } from "../keyboard/KeyHelp";
import { useKeys } from "../keyboard/useKeys";
import { TaskPanel } from "../tasks/TaskPanel";
import { ConnectionBanner } from "./ConnectionBanner";
import { ErrorBoundary } from "./ErrorBoundary";
import { Header } from "./Header";
import { JobIndicator } from "./jobs/JobIndicator";
import { NoSuchPage } from "./NoSuchPage";
import { EmulatorPage, ProjectsPage } from "./pages";
import { Palette } from "./Palette";
import { ProjectFrame } from "./ProjectFrame";
import { SignIn } from "./SignIn";
import { SignOut } from "./SignOut";
import { useFocusReturn } from "./useFocusReturn";

/** The frame around all pages. */
export function Shell() {
  const session = useSession();
  const connection = useConnection();
  const [location, navigate] = useLocation();
  const [help, setHelp] = useState(false);
  const projectId = /^\/projects\/([^/]+)/.exec(location)?.[1] ?? null;

  useKeys({
    help: () => setHelp(true),
    palette: () => spotlight.toggle(),
    goProjects: () => navigate("/projects"),
    goEmulator: () => navigate("/emulator"),
    newProject: () => navigate("/projects?dialog=new"),
  });
  useFocusReturn();
  useEffect(() => {
    if (session.data) setConnection(session.data.signedIn ? "online" : "signedOut");
    else if (session.error) setConnection("lost");
  }, [session.data, session.error]);

  const signedIn = session.data?.signedIn ?? false;
  return (
    <div className="shell">
      <div>
        <a className="skip-link" href="#main">
          Skip to the content
        </a>
        <Header projectId={session.data?.signedIn === false ? null : projectId} isSignedIn={signedIn} onHelp={() => setHelp(true)}>
          {signedIn && <JobIndicator />}
          {signedIn && session.data?.keyRequired && <SignOut />}
        </Header>
      </div>
      <ConnectionBanner />
      <main id="main" className="main" tabIndex={-1}>
        <Loaded query={session}>
          {() =>
            signedIn || connection === "online" ? (
              <ErrorBoundary resetKey={location}>
                <Switch>
                  <Route path="/">
                    <Redirect to="/projects" replace />
                  </Route>
                  <Route path="/projects" component={ProjectsPage} />
                  <Route path="/emulator" component={EmulatorPage} />
                  {/* The keys of the pages belong to one project; another project begins anew. */}
                  <Route path="/projects/:projectId/*?">
                    {(parameters) => <ProjectFrame key={parameters.projectId} projectId={parameters.projectId} />}
                  </Route>
                  <Route>
                    <NoSuchPage />
                  </Route>
                </Switch>
              </ErrorBoundary>
            ) : null
          }
        </Loaded>
      </main>
      <SignIn opened={connection === "signedOut"} />
      <KeyHelp opened={help} onClose={() => setHelp(false)} />
      {signedIn && <Palette />}
      {signedIn && <TaskPanel />}
      <LiveRegion />
    </div>
  );
}
