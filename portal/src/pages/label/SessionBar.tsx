import { ActionIcon, Badge, Button, Group, SegmentedControl, Text, Tooltip } from "@mantine/core";
import { IconArrowsMaximize, IconChevronLeft, IconChevronRight, IconEye, IconEyeOff, IconZoomIn, IconZoomOut } from "@tabler/icons-react";
import type { ReactNode } from "react";
import { useKeyNames } from "../../keyboard/KeyOf";
import type { SaveState } from "./LabelStore";
import type { Labeling } from "./useLabeling";
import type { Viewing } from "./useView";
import type { DrawMode } from "./preferences";
import classes from "./label.module.css";

const SAVE_STATES: Record<SaveState, { text: string; color: string }> = {
  saved: { text: "Saved", color: "gray" },
  changed: { text: "Not saved yet", color: "gray" },
  saving: { text: "Saving", color: "blue" },
  waiting: { text: "Waiting for the emulator", color: "orange" },
  failed: { text: "Not saved", color: "red" },
  gone: { text: "Deleted", color: "red" },
};

/** Before the image is there: tags chosen by keys are still to be applied, so nothing can be said to be saved. */
const NOT_OPEN = { text: "Not loaded yet", color: "gray" };

/** A button with the name of its key. */
function KeyButton({ action, label, onClick, children, pressed }: { action: string; label: string; onClick: () => void; children: ReactNode; pressed?: boolean }) {
  const key = useKeyNames()(action);
  return (
    <Tooltip label={key ? `${label} (${key})` : label}>
      <ActionIcon variant={pressed ? "light" : "subtle"} color="gray" size="lg" aria-label={label} aria-pressed={pressed} onClick={onClick}>
        {children}
      </ActionIcon>
    </Tooltip>
  );
}

interface Props {
  labeling: Labeling;
  viewing: Viewing;
  onNext: () => void;
  onSkip: () => void;
  /** Only for boxes. */
  drawMode?: DrawMode;
  onDrawMode?: (mode: DrawMode) => void;
  isHidden?: boolean;
  onHide?: () => void;
}

/** Where the session is, and the buttons of what keys do. */
export function SessionBar({ labeling, viewing, onNext, onSkip, drawMode, onDrawMode, isHidden, onHide }: Props) {
  const { session, document, toNextTraining } = labeling;
  const state = document ? SAVE_STATES[document.state] : NOT_OPEN;
  const keepFocus = (event: React.MouseEvent) => {
    // A click on a button leaves the focus on the image, whose keys then go on working.
    if (!(event.target instanceof Element && event.target.closest("select, input, label"))) event.preventDefault();
  };
  return (
    <div className={classes.bar} role="toolbar" aria-label="Session" tabIndex={-1} onMouseDown={keepFocus}>
      <Group gap={4} wrap="nowrap">
        <KeyButton action="previousImage" label="Previous image" onClick={labeling.goBack}>
          <IconChevronLeft size={20} />
        </KeyButton>
        <Text size="sm" fw={600} className="numeric" data-testid="position">
          {session.index + 1} of {session.total}
        </Text>
        <KeyButton action="saveAndNext" label="Save and go to the next image" onClick={onNext}>
          <IconChevronRight size={20} />
        </KeyButton>
        <Button variant="subtle" color="gray" size="compact-sm" onClick={onSkip}>
          Skip
        </Button>
      </Group>
      {toNextTraining !== null && session.total > 0 && (
        <Text size="sm" c="dimmed">
          {toNextTraining === 0 ? "Enough for the next training" : `${toNextTraining} more to the next training`}
        </Text>
      )}
      <Badge variant="light" color={state.color} data-testid="save-state">
        {state.text}
      </Badge>
      <Group gap={6} ml="auto" wrap="wrap">
        {drawMode && onDrawMode && (
          <SegmentedControl
            size="xs"
            aria-label="How boxes are drawn"
            value={drawMode}
            data={[
              { value: "drag", label: "Drag" },
              { value: "clicks", label: "Two clicks" },
            ]}
            onChange={(value) => onDrawMode(value)}
          />
        )}
        {onHide && (
          <KeyButton action="hideBoxes" label={isHidden ? "Show boxes" : "Hide boxes"} onClick={onHide} pressed={isHidden ?? false}>
            {isHidden ? <IconEyeOff size={20} /> : <IconEye size={20} />}
          </KeyButton>
        )}
        <Group gap={0} wrap="nowrap">
          <KeyButton action="zoomOut" label="Zoom out" onClick={viewing.zoomOut}>
            <IconZoomOut size={20} />
          </KeyButton>
          <Button variant="subtle" color="gray" size="compact-xs" w={52} onClick={viewing.actual} title="Show at 100%">
            {Math.round(viewing.view.scale * 100)}%
          </Button>
          <KeyButton action="zoomIn" label="Zoom in" onClick={viewing.zoomIn}>
            <IconZoomIn size={20} />
          </KeyButton>
          <KeyButton action="zoomFit" label="Fit the image" onClick={viewing.fit}>
            <IconArrowsMaximize size={18} />
          </KeyButton>
        </Group>
      </Group>
    </div>
  );
}
