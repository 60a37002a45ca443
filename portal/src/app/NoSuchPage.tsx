import { Button } from "@mantine/core";
import { Link } from "wouter";
import { EmptyState } from "../components/states";

/** An address that leads nowhere, and the way back. */
export function NoSuchPage() {
  return <EmptyState title="There is no such page" action={<AllProjects />} />;
}

export function NoSuchProject() {
  return (
    <EmptyState title="This project does not exist" action={<AllProjects />}>
      It was perhaps deleted in another window.
    </EmptyState>
  );
}

function AllProjects() {
  return (
    <Button component={Link} href="/projects" variant="default">
      All projects
    </Button>
  );
}
