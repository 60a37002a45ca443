import { Alert, Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { ApiError, inWords } from "../../../api/errors";
import { useInformation } from "../../../api/queries/information";
import { useInstantIterations } from "../../../api/queries/instant";
import type { Iteration } from "../../../api/queries/iterations";
import { InstantWarning } from "../../../components/iterations/InstantMark";
import { Loaded } from "../../../components/states";
import { named } from "../../../lib/format";
import { useIterationChanges } from "../iterations/useIterationChanges";

interface Props {
  opened: boolean;
  onClose: () => void;
  projectId: string;
  iteration: Iteration;
  iterations: readonly Iteration[];
}

export function PublishDialog({ opened, onClose, ...rest }: Props) {
  const information = useInformation();
  return (
    <Modal opened={opened} onClose={onClose} title="Publish the iteration" size="lg">
      <Loaded query={information}>
        {({ predictionResourceId }) => <Form {...rest} resourceId={predictionResourceId} onClose={onClose} />}
      </Loaded>
    </Modal>
  );
}

/** What is wrong with a name, before the service is asked; null for a good one. */
function problemOf(name: string): string | null {
  if (!name.trim()) return "The name must not be empty.";
  if ([".", ".."].includes(name.trim())) return "A name cannot be '.' or '..', which addresses cannot contain.";
  return null;
}

function Form({ projectId, iteration, iterations, resourceId, onClose }: Omit<Props, "opened"> & { resourceId: string }) {
  const { publish } = useIterationChanges(projectId);
  const [name, setName] = useState(iteration.name.replaceAll(" ", ""));
  const [resource, setResource] = useState(resourceId);
  const [refusal, setRefusal] = useState<{ field: "name" | "resource"; message: string } | null>(null);
  const [busy, setBusy] = useState(false);
  const isInstant = useInstantIterations(projectId)?.has(iteration.id) ?? false;
  const holder = iterations.find((each) => each.id !== iteration.id && each.publishName === name.trim());
  const problem = problemOf(name);

  async function submit() {
    if (problem !== null) return;
    setBusy(true);
    setRefusal(null);
    const done = await publish(iteration, {
      name: name.trim(),
      resourceId: resource.trim(),
      ...(holder ? { holder } : {}),
      onError: (error) => {
        const field = error instanceof ApiError && error.code === "BadRequestInvalidPublishTarget" ? "resource" : "name";
        setRefusal({ field, message: inWords(error) });
      },
    });
    setBusy(false);
    if (done) onClose();
  }

  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <Stack>
        <Text size="sm">Programs predict with the iteration by this name. It is part of the prediction URL.</Text>
        <TextInput
          label="Name"
          required
          data-autofocus
          value={name}
          onChange={(event) => {
            setName(event.currentTarget.value);
            setRefusal(null);
          }}
          error={problem ?? (refusal?.field === "name" ? refusal.message : null)}
        />
        <TextInput
          label="Prediction resource id"
          description="The emulator has one prediction resource; any valid id is accepted."
          required
          value={resource}
          onChange={(event) => setResource(event.currentTarget.value)}
          error={refusal?.field === "resource" ? refusal.message : null}
        />
        {isInstant && (
          <InstantWarning>The instant trainer made this model, for tests only: its predictions are of no use for real images.</InstantWarning>
        )}
        {holder && (
          <Alert color="orange" role="status">
            {named(holder.name)} is published by this name. It is withdrawn, and programs that use the name get predictions of{" "}
            {named(iteration.name)} from then on.
          </Alert>
        )}
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={busy} disabled={problem !== null}>
            {holder ? `Publish instead of ${holder.name}` : "Publish"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
