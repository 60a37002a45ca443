import { NativeSelect, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { body, emulator } from "../../api/client";
import { inWords } from "../../api/errors";
import { cacheKeys } from "../../api/keys";
import { useTrainer } from "../../api/queries/trainer";
import { Section } from "../../components/Section";
import { ErrorState } from "../../components/states";

const NAMES = { real: "Real training", instant: "Instant models" } as const;

/** Real training, or instant models for tests of programs. */
export function TrainerSection({ projectId }: { projectId: string }) {
  const client = useQueryClient();
  const params = { path: { projectId } };
  const own = useTrainer(projectId);
  const all = useQuery({
    queryKey: cacheKeys.trainerOfEmulator,
    queryFn: ({ signal }) => body(emulator.GET("/_emulator/trainer", { signal })),
  });

  async function change(value: string) {
    try {
      if (value === "real" || value === "instant")
        await emulator.PUT("/_emulator/projects/{projectId}/trainer", { params, body: { trainer: value } });
      else await emulator.DELETE("/_emulator/projects/{projectId}/trainer", { params });
    } catch (error) {
      notifications.show({ color: "red", title: "The trainer was not changed", message: inWords(error) });
    }
    await client.invalidateQueries({ queryKey: cacheKeys.trainer(projectId) });
  }

  return (
    <Section title="Trainer">
      {own.error && !own.data ? (
        <ErrorState error={own.error} onRetry={() => void own.refetch()} />
      ) : (
        <NativeSelect
          aria-label="Trainer of this project"
          w={320}
          maw="100%"
          disabled={!own.data}
          value={own.data?.isDefault === false ? own.data.trainer : ""}
          onChange={(event) => void change(event.currentTarget.value)}
          data={[
            { value: "", label: `That of the emulator${all.data ? `: ${NAMES[all.data.trainer].toLowerCase()}` : ""}` },
            { value: "real", label: NAMES.real },
            { value: "instant", label: NAMES.instant },
          ]}
        />
      )}
      <Text size="sm" c="dimmed">
        Instant models are for tests of programs: they are ready at once, but of no use for real images. The choice holds
        until the emulator is reset or started again.
      </Text>
    </Section>
  );
}
