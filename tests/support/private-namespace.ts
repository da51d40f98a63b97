/** Stops a test that changes the kernel's rules from ever running in the machine's own network. */
export function requirePrivateNamespace(): void {
  if (process.env['ADMIT_NETNS'] !== 'private') {
    throw new Error('this test changes netfilter rules: run it under script/netns, as script/test does')
  }
}
