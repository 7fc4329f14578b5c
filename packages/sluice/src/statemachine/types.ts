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

/** What a state is for, in a sentence. */
interface Commented {
  readonly Comment?: string
}

export type TaskState = Commented &
  Transition & {
    readonly Type: 'Task'
    readonly Resource: string
    readonly Parameters: PayloadTemplate
    readonly ResultSelector?: PayloadTemplate
    readonly ResultPath?: string | null
    readonly TimeoutSeconds?: number
    readonly TimeoutSecondsPath?: string
    readonly Retry?: readonly Retrier[]
    readonly Catch?: readonly Catcher[]
  }

export type PassState = Commented &
  Transition & {
    readonly Type: 'Pass'
    readonly Parameters?: PayloadTemplate
    readonly Result?: Json
    readonly ResultPath?: string
  }

export type MapState = Commented &
  Transition & {
    readonly Type: 'Map'
    readonly ItemsPath: string
    readonly ItemSelector: PayloadTemplate
    readonly MaxConcurrency: number
    readonly ItemProcessor: StateMachineDefinition & { readonly ProcessorConfig: { readonly Mode: 'INLINE' } }
    readonly ResultPath: string | null
  }

/** One test of a text. */
export interface ChoiceRule {
  readonly Variable: string
  readonly StringEquals: string
  readonly Next: string
}

export interface ChoiceState extends Commented {
  readonly Type: 'Choice'
  readonly Choices: readonly ChoiceRule[]
  readonly Default: string
}

export interface SucceedState extends Commented {
  readonly Type: 'Succeed'
}

export interface FailState extends Commented {
  readonly Type: 'Fail'
  readonly Error: string
  readonly CausePath: string
}

export type State = TaskState | PassState | MapState | ChoiceState | SucceedState | FailState

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

/** The run that everything is of, and the token of its fence. */
interface OfRun {
  readonly runId: string
  readonly fencingToken: number
}

/** An error as Step Functions reports it. */
export interface StateError {
  readonly Error: string
  readonly Cause: string
}

/** What the function is called with to run a task: references, never data. */
export type TaskPayload = OfRun & { readonly task: string; readonly timeoutSeconds?: number }

/** What it is called with when a task has failed for good, or has ended without a word. */
export type SettlePayload = OfRun & { readonly settle: string; readonly error: StateError }

/** What it is called with to take a step of the run itself; the first one makes what the others refer to. */
export type StepPayload =
  | { readonly runId: string; readonly step: 'start' }
  | (OfRun & { readonly step: 'compact' | 'notify' | 'clean' })
  | (OfRun & { readonly step: 'finish'; readonly error: StateError | null })

/** Whatever the function is called with. */
export type Payload = TaskPayload | SettlePayload | StepPayload
