import { notifications } from "@mantine/notifications";
import { useQueryClient } from "@tanstack/react-query";
import { inWords } from "../api/errors";
import { cacheKeys } from "../api/keys";
import { signOut } from "../api/session";

/** A function that ends the session and removes everything that was read in it. A failure is shown. */
export function useSignOut(): () => Promise<void> {
  const client = useQueryClient();
  return async () => {
    try {
      await signOut();
      await client.invalidateQueries({ queryKey: cacheKeys.session });
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== cacheKeys.session[0] });
    } catch (error) {
      notifications.show({ color: "red", title: "You are still signed in", message: inWords(error) });
    }
  };
}
