import { Button, Group, Modal, Text, TextInput } from "@mantine/core";
import { useRef, useState, type ReactNode } from "react";

export interface Question {
  title: string;
  message: ReactNode;
  /** The verb on the button: "Delete 3 images". */
  action: string;
  danger?: boolean;
  /** A word that must be typed before the button is enabled. */
  typed?: string;
}

/**
 * A question before something that cannot be undone, or that others notice at once.
 *
 * Returns the element to render and a function that asks, and resolves to whether the person agreed.
 */
export function useConfirm() {
  const [question, setQuestion] = useState<Question | null>(null);
  // The question stays while the dialog fades out.
  const [isOpen, setOpen] = useState(false);
  const [typed, setTyped] = useState("");
  const answer = useRef<((agreed: boolean) => void) | null>(null);

  const close = (agreed: boolean) => {
    setOpen(false);
    answer.current?.(agreed);
    answer.current = null;
  };
  const ask = (next: Question) => {
    close(false);
    setTyped("");
    setQuestion(next);
    setOpen(true);
    return new Promise<boolean>((resolve) => {
      answer.current = resolve;
    });
  };
  const dialog = (
    <Modal opened={isOpen} onClose={() => close(false)} title={question?.title} centered>
      {question && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            close(true);
          }}
        >
          <Text mb="md" component="div">
            {question.message}
          </Text>
          {question.typed && (
            <TextInput
              label={`Type '${question.typed}' to go on`}
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
              mb="md"
              data-autofocus
            />
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={() => close(false)}>
              Cancel
            </Button>
            <Button
              type="submit"
              color={question.danger ? "red" : undefined}
              disabled={question.typed !== undefined && typed !== question.typed}
              {...(question.typed ? {} : { "data-autofocus": true })}
            >
              {question.action}
            </Button>
          </Group>
        </form>
      )}
    </Modal>
  );
  return { ask, dialog };
}
