import { Button, type ButtonProps } from "@mantine/core";
import type { ComponentPropsWithoutRef } from "react";
import { useRefusal } from "../api/queries/session";

interface Props extends ButtonProps, Omit<ComponentPropsWithoutRef<"button">, keyof ButtonProps> {
  /** The operation of the Training API that the button begins. */
  operation: string;
}

/** A button that is disabled, with the reason, where the role of the session does not permit its operation. */
export function PermittedButton({ operation, disabled, title, ...props }: Props) {
  const refusal = useRefusal(operation);
  return <Button {...props} disabled={(disabled ?? false) || refusal !== null} title={refusal ?? title} aria-description={refusal ?? undefined} />;
}
