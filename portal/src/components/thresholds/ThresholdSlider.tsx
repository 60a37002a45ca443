import { Group, NumberInput, Slider, Text } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { useId, useState } from "react";

/** The address is changed at most this often while the slider is dragged: browsers refuse more. */
const SETTLE_MS = 120;

interface Props {
  label: string;
  description: string;
  /** 0 to 1. */
  value: number;
  onChange: (value: number) => void;
}

/** A fraction as a percentage: by slider, or typed. */
export function ThresholdSlider({ label, description, value, onChange }: Props) {
  const id = useId();
  const given = Math.round(value * 100);
  const [shown, setShown] = useState(given);
  const [followed, setFollowed] = useState(given);
  // A value that came from elsewhere (a key, the back button) moves the slider.
  if (followed !== given) {
    setFollowed(given);
    setShown(given);
  }
  const settle = useDebouncedCallback((next: number) => onChange(next / 100), { delay: SETTLE_MS, flushOnUnmount: true });
  const change = (next: number) => {
    setShown(next);
    settle(next);
  };
  return (
    <div>
      <Group justify="space-between" wrap="nowrap" gap="xs">
        <Text size="sm" fw={500} id={id}>
          {label}
        </Text>
        <NumberInput
          aria-label={`${label} in percent`}
          size="xs"
          w={72}
          min={0}
          max={100}
          suffix="%"
          clampBehavior="strict"
          allowDecimal={false}
          allowNegative={false}
          value={shown}
          onChange={(next) => typeof next === "number" && change(next)}
        />
      </Group>
      <Slider
        mt={6}
        size="sm"
        min={0}
        max={100}
        value={shown}
        onChange={change}
        label={null}
        thumbProps={{ "aria-labelledby": id }}
        thumbValueText={(percent) => `${percent}%`}
      />
      <Text size="xs" c="dimmed" mt={4}>
        {description}
      </Text>
    </div>
  );
}
