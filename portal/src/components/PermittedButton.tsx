import { Button, Tooltip, type ButtonProps } from "@mantine/core";
import type { ComponentPropsWithoutRef } from "react";
import { useRefusal } from "../api/queries/session";

interface Props extends ButtonProps, Omit<ComponentPropsWithoutRef<"button">, keyof ButtonProps> {
  /** The operation of the Training API that the button begins. */
  operation: string;
}

/** A button without an action, but with the reason, where the role of the session does not permit its operation. */
export function PermittedButton({ operation, ...props }: Props) {
  const refusal = useRefusal(operation);
  if (refusal === null) return <Button {...props} />;
  // Not disabled: then keyboards and screen readers would not reach it, nor its reason.
  return (
    <Tooltip label={refusal} events={{ hover: true, focus: true, touch: true }}>
      <Button
        {...props}
        disabled={false}
        data-disabled
        aria-disabled
        aria-description={refusal}
        onClick={(event) => event.preventDefault()}
      />
    </Tooltip>
  );
}
