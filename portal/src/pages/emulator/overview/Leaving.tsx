import { Button, Checkbox, Group, Stack, Text } from "@mantine/core";
import { IconLogout, IconRotate } from "@tabler/icons-react";
import { useLocation } from "wouter";
import { emulator } from "../../../api/client";
import { useSession } from "../../../api/queries/session";
import { useSignOut } from "../../../app/useSignOut";
import { useConfirm } from "../../../components/confirm";
import { Section } from "../../../components/Section";
import { useAct } from "../useAct";

const TYPED = "reset";

/** Ending the session, where a key began it, and deleting everything. */
export function Leaving() {
  const { ask, dialog } = useConfirm();
  const { act, isBusy } = useAct(null);
  const [, navigate] = useLocation();
  const signOut = useSignOut();
  const canSignOut = useSession().data?.keyRequired ?? false;

  async function reset() {
    const choice = { snapshots: false };
    const agreed = await ask({
      title: "Delete everything?",
      message: (
        <Stack gap="sm">
          <Text>
            All projects with their images, tags and iterations, and all stored predictions and exports are deleted. Running
            trainings end. Keys and options stay. This cannot be undone; save a snapshot before if you want it back.
          </Text>
          <Checkbox
            label="Delete the snapshots, too"
            onChange={(event) => {
              choice.snapshots = event.currentTarget.checked;
            }}
          />
        </Stack>
      ),
      action: "Delete everything",
      danger: true,
      typed: TYPED,
    });
    if (!agreed) return;
    const done = await act("The emulator is reset.", "The reset failed", () =>
      emulator.POST("/_emulator/reset", { params: { query: choice } }),
    );
    if (done) navigate("/projects");
  }

  return (
    <Section title={canSignOut ? "Session and reset" : "Reset"}>
      <Group>
        {canSignOut && (
          <Button variant="default" leftSection={<IconLogout size={18} />} onClick={() => void signOut()}>
            Sign out
          </Button>
        )}
        <Button variant="outline" color="red" leftSection={<IconRotate size={18} />} onClick={() => void reset()} loading={isBusy}>
          Delete everything
        </Button>
      </Group>
      {dialog}
    </Section>
  );
}
