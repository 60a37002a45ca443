import { ActionIcon, Tooltip } from "@mantine/core";
import { IconLogout } from "@tabler/icons-react";
import { useSignOut } from "./useSignOut";

/** Ends the session, from every page. */
export function SignOut() {
  const signOut = useSignOut();
  return (
    <Tooltip label="Sign out">
      <ActionIcon variant="subtle" color="gray" aria-label="Sign out" onClick={() => void signOut()}>
        <IconLogout size={20} />
      </ActionIcon>
    </Tooltip>
  );
}
