# {{ d.name }} without containers, on any machine with Nix. Rendered by `manage.py holdfast render nix`: change the settings, not this file.
#
#   nix develop ./nix                      # a shell with Python, PostgreSQL, Redis and uv
#   nix run ./nix#stack                    # everything, under process-compose
#   nix run ./nix#stack -- --tui=false     # the same with lines instead of a screen
#   ./nix/scripts/kill-services.sh         # whatever an interrupted run has left behind
#
# There is no flake.lock: `nix flake lock ./nix` makes one, commit it.
{
  description = {{ description|nix }};

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-24.11";

  outputs =
    { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      each = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      tools = pkgs: [
        pkgs.{{ python_package }}
        pkgs.uv
        pkgs.postgresql_17
        pkgs.redis
        pkgs.process-compose
        pkgs.coreutils
        pkgs.gnumake
        pkgs.git
      ];
    in
    {
      devShells = each (pkgs: {
        default = pkgs.mkShell { packages = tools pkgs; };
      });

      packages = each (pkgs: rec {
        stack = pkgs.writeShellApplication {
          name = "stack";
          runtimeInputs = tools pkgs;
          text = ''
            exec bash ${./scripts}/stack.sh ${./process-compose.yaml} "$@"
          '';
        };
        default = stack;
      });
    };
}
