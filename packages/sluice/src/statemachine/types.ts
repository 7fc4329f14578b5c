/**
 * The part of the Amazon States Language that is emitted, spelled as its specification does: JSONPath mode, inline Map, no JSONata.
 * https://states-language.net/spec.html
 */
import type { Json } from '../base/json.ts'

/** A template whose keys that end in `.$` are paths. */
export type PayloadTemplate = { readonly [key: string]: Json }

export interface Retrier {
  readonly ErrorEquals: readonly string[]
  readonly IntervalSeconds: number
  readonly MaxAttempts: number
  readonly BackoffRate: number
  readonly MaxDelaySeconds: number
  readonly JitterStrategy: 'FULL' | 'NONE'
}

export interface Catcher {
  readonly ErrorEquals: readonly string[]
  readonly ResultPath?: string
  readonly Next: string
}

/** Either the name of the next state, or the end. */
export type Transition = { readonly Next: string } | { readonly End: true }

export type TaskState = Transition & {
  readonly Type: 'Task'
  readonly Comment?: string
  readonly Resource: string
  readonly Parameters: PayloadTemplate
  readonly ResultSelector?: PayloadTemplate
  readonly ResultPath?: string | null
  readonly TimeoutSeconds?: number
  readonly TimeoutSecondsPath?: string
  readonly Retry?: readonly Retrier[]
  readonly Catch?: readonly Catcher[]
}

export type PassState = Transition & {
  readonly Type: 'Pass'
  readonly Parameters?: PayloadTemplate
  readonly Result?: Json
  readonly ResultPath?: string
}

export type MapState = Transition & {
  readonly Type: 'Map'
  readonly ItemsPath: string
  readonly ItemSelector: PayloadTemplate
  readonly MaxConcurrency: number
  readonly ItemProcessor: StateMachineDefinition & { readonly ProcessorConfig: { readonly Mode: 'INLINE' } }
  readonly ResultPath: string | null
}

export interface SucceedState {
  readonly Type: 'Succeed'
}

export interface FailState {
  readonly Type: 'Fail'
  readonly Error: string
  readonly CausePath: string
}

export type State = TaskState | PassState | MapState | SucceedState | FailState

/** A state machine, or the processor of a Map. */
export interface StateMachineDefinition {
  readonly Comment?: string
  readonly StartAt: string
  readonly States: { readonly [name: string]: State }
}

/** A state machine and the name that it is deployed under. */
export interface StateMachine {
  readonly name: string
  readonly definition: StateMachineDefinition
}

/** What a task handler is called with: references, never data. */
export type TaskPayload = { readonly runId: string; readonly task: string; readonly timeoutSeconds: number }

/** What the handler is called with at the end: it fails when a task of the run has failed. */
export type FinishPayload = { readonly runId: string; readonly finish: true }
