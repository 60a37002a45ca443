/** Long work that goes on while pages change: its progress, in a small store that the shell shows. */
import { useSyncExternalStore } from "react";
import { Store } from "../lib/store";

interface Task {
  id: number;
  /** What is done, in the present: "Tagging 10,000 images". */
  label: string;
  done: number;
  /** 0: not known yet. */
  total: number;
  signal: AbortSignal;
  cancel: () => void;
}

const tasks = new Store<readonly Task[]>([]);
let lastId = 0;

export interface TaskHandle {
  signal: AbortSignal;
  progress: (done: number, total: number) => void;
}

/** Run `work` as a task that is shown with its progress and can be cancelled: its signal is aborted then. */
export async function asTask<Result>(label: string, work: (task: TaskHandle) => Promise<Result>): Promise<Result> {
  const controller = new AbortController();
  const id = ++lastId;
  const task: Task = { id, label, done: 0, total: 0, signal: controller.signal, cancel: () => controller.abort() };
  tasks.set([...tasks.get(), task]);
  try {
    return await work({
      signal: controller.signal,
      progress: (done, total) => tasks.set(tasks.get().map((each) => (each.id === id ? { ...each, done, total } : each))),
    });
  } finally {
    tasks.set(tasks.get().filter((each) => each.id !== id));
  }
}

export function useTasks(): readonly Task[] {
  return useSyncExternalStore(tasks.subscribe, tasks.get);
}
