/** States and durations of iterations in words. */
import { RUNNING, type Iteration } from "../../api/queries/iterations";

const HOUR = 60;

/** Whether a person stopped its training; the control API begins the reason so. */
export function wasStopped(iteration: Iteration): boolean {
  return iteration.status === "Failed" && (iteration.trainingErrorDetails ?? "").startsWith("Cancelled");
}

/** isWaiting: whether its training waits for another one; the service's status does not tell. */
export function stateOf(iteration: Iteration, isWaiting: boolean): string {
  if (RUNNING.has(iteration.status)) return isWaiting ? "Waiting" : "In training";
  if (wasStopped(iteration)) return "Stopped";
  if (iteration.publishName !== null) return "Published";
  return iteration.status === "Completed" ? "Trained" : "Failed";
}

/** "Quick", "Advanced, 5 h budget". */
export function kindOfTraining(iteration: Iteration): string {
  return iteration.trainingType === "Advanced" ? `Advanced, ${iteration.reservedBudgetInHours} h budget` : "Quick";
}

/** How long the training took; the service counts whole minutes, at least one. */
export function timeOfTraining(iteration: Iteration): string {
  if (iteration.status !== "Completed") return "–";
  const minutes = iteration.trainingTimeInMinutes;
  if (minutes <= 1) return "1 min or less";
  return minutes < HOUR ? `${minutes} min` : `${Math.floor(minutes / HOUR)} h ${minutes % HOUR} min`;
}
