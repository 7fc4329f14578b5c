import { expect, test } from 'vitest'
import { errorPages } from './error-pages.ts'

test('what a message takes from its place is shown as words, apart from what stands beside it', () => {
  for (const { code, message, hint } of errorPages()) {
    expect([code, message]).not.toEqual([code, undefined])
    const text = `${message} ${hint ?? ''}`
    expect([
      code,
      /<\w*[a-z][A-Z]\w*>|\w<|>\w|undefined|NaN|\[object/.exec(text.replace(/<layer>\.<table>/g, ''))?.[0],
    ]).toEqual([code, undefined])
    expect([code, /<(what|why|who|at|to|op|xid|pid)>/.exec(text)?.[0]]).toEqual([code, undefined])
  }
})
